package redis

import (
	"time"

	"github.com/keylift/keylift/source/redis/resp"
)

// A pipeline is a run of commands that are sent at once, and their replies.
type pipeline struct {
	request  []byte // the commands in their wire form
	commands int    // without those before each where asking
	asking   bool   // each command is preceded by ASKING
	sent     time.Time
	received time.Time // when all replies were there
	failed   error     // of the sending
	replies  resp.Replies
	done     chan error // of capacity 1: all replies are there, or none will come
}

// keptBytes is the most memory that a pipeline keeps for the next.
const keptBytes = 4 << 20

func newPipeline() *pipeline { return &pipeline{done: make(chan error, 1)} }

// pipeline returns an empty pipeline for the session's connections.
func (s *session) pipeline() *pipeline {
	p := newPipeline()
	p.asking = s.asking
	return p
}

func (p *pipeline) add(command ...string) {
	if p.asking {
		p.request = resp.AppendCommand(p.request, "ASKING")
	}
	p.request = resp.AppendCommand(p.request, command...)
	p.commands++
}

// read reads the replies.
func (p *pipeline) read(from *resp.Reader) error {
	if !p.asking {
		return from.Read(p.commands, &p.replies)
	}
	err := from.Read(2*p.commands, &p.replies)
	p.replies.DropOdd()
	return err
}

// reset forgets commands and replies.
func (p *pipeline) reset() {
	p.request, p.commands = p.request[:0], 0
	p.replies.Reset(keptBytes)
}

func (p *pipeline) next() resp.Reply { return p.replies.Next() }
