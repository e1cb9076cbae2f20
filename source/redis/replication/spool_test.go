package replication

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A told is a log handler that hands on the messages it gets.
type told struct {
	slog.Handler
	messages chan string
}

func (h told) Handle(_ context.Context, r slog.Record) error {
	h.messages <- r.Message
	return nil
}

func (h told) Enabled(context.Context, slog.Level) bool { return true }

// spoolOf returns a Spool in a folder of its own, and what it says.
func spoolOf(t *testing.T, from io.Reader, limit int64) (s *Spool, folder string, messages chan string) {
	t.Helper()
	folder, messages = t.TempDir(), make(chan string, 1000)
	s = NewSpool(from, SpoolOptions{Folder: folder, Bytes: limit, Logger: slog.New(told{slog.DiscardHandler, messages})})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, folder, messages
}

// randomPieces writes n bytes in pieces of any length, and then ends with err.
func randomPieces(w *io.PipeWriter, n int, err error) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]byte, n)
	for i := range all {
		all[i] = byte(random.Uint32())
	}
	go func() {
		for left := all; len(left) > 0; {
			piece := min(1+random.IntN(200_000), len(left))
			if _, err := w.Write(left[:piece]); err != nil {
				return
			}
			left = left[piece:]
		}
		_ = w.CloseWithError(err)
	}()
	return all
}

// TestSpool reads nothing until the file is full, and then all: the file is written
// round and round.
func TestSpool(t *testing.T) {
	r, w := io.Pipe()
	end := errors.New("the end")
	s, folder, messages := spoolOf(t, r, 3<<20)
	want := randomPieces(w, 20<<20, end)
	if m := <-messages; !strings.HasPrefix(m, "changes wait for the destination") {
		t.Fatal(m)
	}
	if m := <-messages; !strings.HasPrefix(m, "the spool is full") {
		t.Fatal(m)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("a kill would leave %v, %v", left, err)
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != 3<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("what comes out is not what went in")
	}
	if n, err := s.Read(got); n != 0 || !errors.Is(err, end) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	var last string
	for len(messages) > 0 {
		last = <-messages
	}
	if last != "what was spooled to disk has been read" {
		t.Errorf("the last that it said: %q", last)
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}

// TestSpool_keepingUp: a reader that is as fast as the stream makes no file.
func TestSpool_keepingUp(t *testing.T) {
	r, w := io.Pipe()
	s, _, messages := spoolOf(t, r, 1<<20)
	for range 100 {
		if _, err := io.WriteString(w, strings.Repeat("x", 50_000)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, make([]byte, 50_000)); err != nil {
			t.Fatal(err)
		}
	}
	if s.file != nil || len(messages) > 0 {
		t.Error("it used a file")
	}
	_ = r.Close()
}

// TestSpool_noFile: where no file can be written, the stream waits and nothing of it
// is lost.
func TestSpool_noFile(t *testing.T) {
	r, w := io.Pipe()
	messages := make(chan string, 1000)
	s := NewSpool(r, SpoolOptions{Folder: filepath.Join(t.TempDir(), "none"), Bytes: 1 << 20, Logger: slog.New(told{slog.DiscardHandler, messages})})
	want := randomPieces(w, 5<<20, io.ErrUnexpectedEOF)
	if m := <-messages; !strings.HasPrefix(m, "changes cannot be spooled to disk") {
		t.Error(m)
	}
	got, err := io.ReadAll(s)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSpool_Close ends what waits on both sides.
func TestSpool_Close(t *testing.T) {
	r, w := io.Pipe()
	s, folder, messages := spoolOf(t, r, 1<<20)
	randomPieces(w, 5<<20, io.EOF)
	for !strings.HasPrefix(<-messages, "the spool is full") {
	}
	_ = r.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%d bytes of a closed spool, %v", n, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}

	r, w = io.Pipe()
	s, _, _ = spoolOf(t, r, 1<<20)
	waiting := make(chan error)
	go func() {
		_, err := s.Read(make([]byte, 1))
		waiting <- err
	}()
	_ = w.Close()
	if err := <-waiting; !errors.Is(err, io.EOF) {
		t.Errorf("who waited got %v", err)
	}
}
