package main

import (
	"math/rand/v2"
	"strconv"
)

// writes are commands of a game that goes on.
type writes struct {
	data   dataset
	random *rand.Rand
	kinds  []kind // by key
	names  []string
}

func (d dataset) newWrites(seed uint64) *writes {
	w := &writes{data: d, random: rand.New(rand.NewPCG(d.seed, seed))}
	for i := range d.keys {
		k, name, _ := d.key(i)
		w.kinds, w.names = append(w.kinds, k), append(w.names, name)
	}
	return w
}

// append appends a command that changes a key, but not by much how large it is.
func (w *writes) append(dst []byte) []byte {
	r := w.random
	i := leaderboards + r.IntN(len(w.names)-leaderboards)
	name := w.names[i]
	if r.IntN(20) == 0 {
		return appendCommand(dst, "EXPIRE", name, strconv.Itoa(100_000+r.IntN(1_000_000)))
	}
	switch w.kinds[i] {
	case counter:
		return appendCommand(dst, "SET", name, strconv.Itoa(r.IntN(1_000_000)), "KEEPTTL")
	case session:
		return appendCommand(dst, "SET", name, text(r, 50+r.IntN(151)), "KEEPTTL")
	case profile:
		return appendCommand(dst, "HSET", name, profileFields[r.IntN(8)], text(r, 10+r.IntN(11)))
	case matches:
		return appendCommand(dst, "LSET", name, strconv.Itoa(r.IntN(20)), text(r, 10+r.IntN(11)))
	case achievements:
		return appendCommand(dst, []string{"SADD", "SREM"}[r.IntN(2)], name, "achievement "+strconv.Itoa(r.IntN(4)))
	default:
		return appendCommand(dst, "ZADD", name, score(r), "guest "+strconv.Itoa(r.IntN(4)))
	}
}
