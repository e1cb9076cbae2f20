package rdb_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
)

// A golden is a payload that a newer server wrote, and what that server answered
// to typed commands for the key.
type golden struct {
	Opcode  byte
	Version int
	Visit   visit
}

// The folders of testdata are named after the servers. Each holds payloads and,
// by their names, what they are.
func TestDecoder_Dump_golden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.dump")
	if err != nil || len(files) == 0 {
		t.Fatal("no payloads in testdata: ", err)
	}
	opcodes := map[byte]int{}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := readGolden(t, strings.TrimSuffix(file, ".dump")+".json")
		opcodes[want.Opcode]++
		n := len(payload)
		if version := int(payload[n-10]) | int(payload[n-9])<<8; payload[0] != want.Opcode || version != want.Version {
			t.Errorf("%s: opcode %d, version %d, want %d, %d", file, payload[0], version, want.Opcode, want.Version)
		}
		got, err := decode(new(rdb.Decoder), payload, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		equal(t, file, got, want.Visit)
	}
	for _, opcode := range []byte{0, 2, 4, 5, 7, 11, 16, 17, 18, 20, 21, 22, 24, 25} {
		if opcodes[opcode] == 0 {
			t.Errorf("no payload of opcode %d", opcode)
		}
	}
}

func readGolden(t *testing.T, file string) golden {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return g
}
