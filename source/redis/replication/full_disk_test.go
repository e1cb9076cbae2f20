//go:build unix

package replication

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

// TestSpool_fullDisk: what a full disk does not take, in part or at all, waits, and
// nothing of it is lost. (A limit for the length of files stands in for the disk.)
func TestSpool_fullDisk(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	is := was
	is.Cur = 1_000_001
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &is); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
	}()
	r, w := io.Pipe()
	s, _, messages := spoolOf(t, r, 5<<20)
	want := randomPieces(w, 4<<20, io.ErrUnexpectedEOF)
	for _, says := range []string{"changes wait for the destination", "changes cannot be spooled to disk"} {
		if m := <-messages; !strings.HasPrefix(m, says) {
			t.Fatal(m)
		}
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != 1_000_001 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	got, err := io.ReadAll(s)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}
