package duckdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// A checkpoint of DuckDB overwrites its metadata blocks in place, among them
// those that the file's present header refers to. The bytes in use stay the same,
// but a process that is killed within such a write leaves a block whose checksum
// is wrong, and DuckDB refuses the file. So checkpoints are made here alone: the
// headers and these blocks are copied to a guard file first. Open puts the blocks
// back where the headers are still the same, which says that the checkpoint did
// not get to its end. (The layout of a file: three headers of 4096 bytes, then the
// blocks, each of the size that PRAGMA database_size tells.)
const (
	guardSuffix = ".guard"
	guardMagic  = "keylift guard 1\n"
	headerBytes = 3 * 4096
)

// headerMagic is in the first header of a file, behind its checksum.
const headerMagic = "DUCK"

// discardUnfinished removes a file that does not reach to the end of its headers: a
// process was killed that made it, and nothing is in it yet.
func discardUnfinished(path string) (err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() >= headerBytes {
		return nil // whoever opens it will say what is wrong
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if lock(f) != nil {
		return nil // a process that lives is making it
	}
	begun := make([]byte, headerBytes)
	n, err := f.ReadAt(begun, 0)
	if !errors.Is(err, io.EOF) {
		return err // it has been finished meanwhile, or cannot be read
	}
	if n > 0 && (n < 12 || string(begun[8:12]) != headerMagic) {
		return nil
	}
	return os.Remove(path)
}

// checkpoint moves what the log holds into the file, if it holds at least so many bytes.
func (d *Destination) checkpoint(ctx context.Context, least int64) error {
	wal, err := os.Stat(d.o.Path + ".wal")
	if err != nil || wal.Size() < least {
		return nil //nolint:nilerr // without a log there is nothing to move
	}
	if err := d.guard(ctx); err != nil {
		return fmt.Errorf("guard the blocks of %s: %w", d.o.Path, err)
	}
	if err := d.conn.exec(ctx, "CHECKPOINT "+catalog); err != nil {
		return fmt.Errorf("checkpoint %s: %w", d.o.Path, err)
	}
	return os.Remove(d.o.Path + guardSuffix)
}

// spareBlocks are for what a sync of unchanged rows keeps in the file meanwhile and
// does not find room for among the free blocks. They take no place on the disk until
// they are written.
const spareBlocks = 8

// keepSize makes the file as large as it was when it was opened, unless rows were
// published since: then there is room for the metadata once more. A checkpoint
// writes the metadata to another place than the last one, and would otherwise
// lengthen and shorten the file in turn. DuckDB ignores what lies behind its blocks.
func (d *Destination) keepSize(ctx context.Context) error {
	size := d.size
	if d.grown {
		var err error
		size, err = d.count(ctx, "SELECT "+strconv.Itoa(headerBytes)+" + block_size * (total_blocks + "+strconv.Itoa(spareBlocks)+" + (SELECT count(DISTINCT block_id) FROM pragma_metadata_info()))"+
			" FROM pragma_database_size() WHERE database_name = current_database()")
		if err != nil {
			return fmt.Errorf("measure %s: %w", d.o.Path, err)
		}
	}
	if file, err := os.Stat(d.o.Path); err != nil || file.Size() >= size {
		return err
	}
	// By its path: closing a descriptor of the file would give up the lock on it.
	return os.Truncate(d.o.Path, size)
}

// guard copies the metadata blocks to the guard file.
func (d *Destination) guard(ctx context.Context) error {
	if d.raw == nil {
		// Closing any descriptor of the file would give up the process's lock on it:
		// this one stays open as long as the database.
		raw, err := os.Open(d.o.Path)
		if err != nil {
			return err
		}
		d.raw = raw
	}
	size, err := d.count(ctx, "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()")
	if err != nil {
		return err
	}
	var copied bytes.Buffer
	copied.WriteString(guardMagic)
	number := func(n int64) { copied.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	number(size)
	headers := make([]byte, headerBytes)
	if _, err := d.raw.ReadAt(headers, 0); err != nil {
		return err
	}
	copied.Write(headers)
	block := make([]byte, size)
	err = d.conn.query(ctx, "SELECT DISTINCT block_id FROM pragma_metadata_info() ORDER BY block_id", func(c *chunk) error {
		for i := range c.rows {
			id := c.int(0, i)
			// A block that the file does not reach to is new: no header refers to it.
			if n, _ := d.raw.ReadAt(block, headerBytes+id*size); int64(n) == size {
				number(id)
				copied.Write(block)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	sum := xxhash.Sum64(copied.Bytes())
	copied.Write(binary.LittleEndian.AppendUint64(nil, sum))
	return writeDurably(d.o.Path+guardSuffix, copied.Bytes())
}

func writeDurably(path string, b []byte) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// restore puts back the blocks of the guard file, if there is one and its
// checkpoint did not get to its end. A guard file that is not whole guards a
// checkpoint that never began.
func restore(path string) (err error) {
	guard, err := os.ReadFile(path + guardSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if lock(f) != nil {
		return nil // a process that lives has the file, and its checkpoint may be under way
	}
	end := len(guard) - 8
	if end > len(guardMagic)+8+headerBytes && bytes.HasPrefix(guard, []byte(guardMagic)) &&
		xxhash.Sum64(guard[:end]) == binary.LittleEndian.Uint64(guard[end:]) {
		if err := putBack(f, guard[len(guardMagic):end]); err != nil {
			return err
		}
	}
	return os.Remove(path + guardSuffix)
}

// putBack writes guarded blocks to f, unless its headers have changed since.
func putBack(f *os.File, guarded []byte) error {
	size, headers, rest := int(binary.LittleEndian.Uint64(guarded)), guarded[8:8+headerBytes], guarded[8+headerBytes:]
	have := make([]byte, headerBytes)
	if _, err := f.ReadAt(have, 0); err != nil || !bytes.Equal(have, headers) {
		return err
	}
	for ; len(rest) >= 8+size; rest = rest[8+size:] {
		id := int64(binary.LittleEndian.Uint64(rest))
		if _, err := f.WriteAt(rest[8:8+size], headerBytes+id*int64(size)); err != nil {
			return err
		}
	}
	return f.Sync()
}
