package replication

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// SpoolOptions say where a Spool keeps what waits.
type SpoolOptions struct {
	Folder string       // of the file; empty: that for temporary files
	Bytes  int64        // that the file may take
	Logger *slog.Logger // is told when the file is taken into use, full, and empty again
}

// spoolMemory is how many bytes wait in memory before a file is used.
const spoolMemory = 1 << 20

// A Spool reads a stream as fast as it comes and holds it for a reader that is
// slower, so that the server need not: it drops replicas for whom it holds too much.
// What waits is held in memory and, what does not fit there, in a file, which is
// written in a ring. When that is full, the stream is left unread until there is
// room. One goroutine reads a Spool.
type Spool struct {
	options SpoolOptions
	from    io.Reader
	reading sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond   // something came, or was read, or the Spool was closed
	memory  bytes.Buffer // older than what is in the file
	file    *os.File     // nil: none was needed yet
	start   int64        // in the file, of what waits there
	waiting int64        // bytes in the file
	passed  int64        // bytes that the file took since it was empty
	full    bool         // the file has been full since it was empty
	failed  bool         // the file has taken no more since it was empty
	ended   error        // of from, behind all that waits
	lost    error        // of the file: what waits cannot be read
	closed  bool
}

// NewSpool begins to read from, whose bytes the Spool's Read returns, and at last
// its error.
func NewSpool(from io.Reader, o SpoolOptions) *Spool {
	s := &Spool{from: from, options: o}
	s.changed = sync.NewCond(&s.mu)
	s.reading.Go(s.receive)
	return s
}

// receive reads the stream to its end.
func (s *Spool) receive() {
	piece := make([]byte, linkBuffer)
	for {
		n, err := s.from.Read(piece)
		if !s.hold(piece[:n]) {
			return
		}
		if err != nil {
			s.mu.Lock()
			s.ended = err
			s.mu.Unlock()
			s.changed.Broadcast()
			return
		}
	}
}

// hold takes b as soon as there is room, and returns false when the Spool is closed.
func (s *Spool) hold(b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		n := s.toMemory(b)
		if n == 0 {
			n = s.toFile(b)
		}
		if b = b[n:]; len(b) == 0 {
			s.changed.Broadcast()
			return true
		}
		if n == 0 {
			s.changed.Wait()
		}
	}
	return false
}

// toMemory takes as much of b as fits, and returns how much.
func (s *Spool) toMemory(b []byte) int {
	if s.waiting > 0 {
		return 0
	}
	n := min(len(b), spoolMemory-s.memory.Len())
	_, _ = s.memory.Write(b[:n]) // never fails
	return n
}

// toFile takes as much of b as the file takes at once, and returns how much.
func (s *Spool) toFile(b []byte) int {
	if s.failed || len(b) == 0 {
		return 0
	}
	end := (s.start + s.waiting) % s.options.Bytes
	n := int(min(int64(len(b)), s.options.Bytes-end, s.options.Bytes-s.waiting))
	if n == 0 {
		if !s.full {
			s.full = true
			s.options.Logger.Warn("the spool is full, and changes are left to the server until there is room; a server that drops the link for that "+
				"(client-output-buffer-limit replica) is read on from its backlog, or else with a new snapshot; raise spool_bytes", "spool_bytes", s.options.Bytes)
		}
		return 0
	}
	n, err := s.write(b[:n], end)
	switch {
	case err != nil:
		s.failed = true
		s.options.Logger.Warn("changes cannot be spooled to disk and are left to the server, which may drop the link for it "+
			"(client-output-buffer-limit replica); make room in the folder", "folder", s.folder(), "error", err)
	case s.waiting == 0:
		s.options.Logger.Info("changes wait for the destination and are spooled to disk", "folder", s.folder(), "spool_bytes", s.options.Bytes)
	}
	s.waiting += int64(n)
	s.passed += int64(n)
	return n
}

func (s *Spool) folder() string {
	if s.options.Folder == "" {
		return os.TempDir()
	}
	return s.options.Folder
}

// write writes to the file, which it makes where there is none. Its name is removed
// at once where the system allows it: then nothing is left behind by a kill.
func (s *Spool) write(b []byte, at int64) (int, error) {
	if s.file == nil {
		file, err := os.CreateTemp(s.folder(), ".keylift-spool-*")
		if err != nil {
			return 0, err
		}
		_ = os.Remove(file.Name()) // Close tries again
		s.file = file
	}
	return s.file.WriteAt(b, at)
}

// Read reads the stream. It waits for what has not come yet.
func (s *Spool) Read(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.memory.Len() == 0 && s.waiting == 0 && s.ended == nil && s.lost == nil && !s.closed {
		s.changed.Wait()
	}
	switch {
	case s.closed:
		return 0, os.ErrClosed
	case s.lost != nil:
		return 0, s.lost
	case s.memory.Len() > 0:
		n, err = s.memory.Read(b)
	case s.waiting > 0:
		n, err = s.fromFile(b)
	default:
		return 0, s.ended
	}
	s.changed.Broadcast()
	return n, err
}

// fromFile reads what waits in the file. When that was all, the file is empty.
func (s *Spool) fromFile(b []byte) (int, error) {
	n := min(int64(len(b)), s.waiting, s.options.Bytes-s.start)
	if _, err := s.file.ReadAt(b[:n], s.start); err != nil {
		s.lost = fmt.Errorf("read what was spooled to disk: %w", err)
		return 0, s.lost
	}
	s.start = (s.start + n) % s.options.Bytes
	if s.waiting -= n; s.waiting == 0 {
		s.options.Logger.Info("what was spooled to disk has been read", "bytes", s.passed)
		_ = s.file.Truncate(0) // otherwise its room comes back with Close
		s.start, s.passed, s.full, s.failed = 0, 0, false, false
	}
	return int(n), nil
}

// Close drops what waits and removes the file. Whatever the Spool reads from has to
// be interrupted beforehand.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.changed.Broadcast()
	s.reading.Wait()
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	err := file.Close()
	_ = os.Remove(file.Name()) // it is gone, unless the system kept it while it was open
	return err
}
