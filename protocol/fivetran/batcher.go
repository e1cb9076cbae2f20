package fivetran

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

const (
	maxRecords = 100 // of a message

	// A message is sent when it is this long, so that most are below the 4 MB that
	// gRPC clients take by default.
	fullBytes = 1 << 20
	// maxRecordBytes bounds a single record: the platform takes messages of 128 MB.
	maxRecordBytes = 120_000_000
	// bodyBytes is what most messages take.
	bodyBytes = 64 << 10
)

// A batcher gathers records into messages, in the wire form, and sends them.
type batcher struct {
	send  func(any) error // grpc.ServerStream.SendMsg
	limit int             // of a record, in bytes

	body    *[]byte // the records gathered; nil if none
	records int

	// What went out.
	messages, sent, bytes int64
	shortened             int64 // records with a value that became NULL for their length
	dropped               int64 // records that were too long even so
}

func newBatcher(send func(any) error) batcher { return batcher{send: send, limit: maxRecordBytes} }

// row adds row i of b, of a type that carries data.
func (w *batcher) row(e *tableEncoder, b *row.Batch, i int, typ sdk.RecordType) error {
	size := e.measure(b, i, typ)
	for size > w.limit {
		less := e.nullLongest()
		if less <= 0 || typ == sdk.RecordType_DELETE {
			w.dropped++
			return nil
		}
		if size -= less; size <= w.limit {
			w.shortened++
		}
	}
	return w.add(size, func(dst []byte) []byte { return e.append(dst, b, i, typ, size) })
}

// truncate adds the record that marks all rows of a table deleted.
func (w *batcher) truncate(e *tableEncoder) error {
	size := e.measure(nil, 0, sdk.RecordType_TRUNCATE)
	return w.add(size, func(dst []byte) []byte { return e.append(dst, nil, 0, sdk.RecordType_TRUNCATE, size) })
}

// add adds a record of size bytes, which write appends as a field.
func (w *batcher) add(size int, write func([]byte) []byte) error {
	field := 1 + protowire.SizeBytes(size)
	if w.body != nil && len(*w.body)+field > fullBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.body == nil {
		w.body = bodies.Get(max(field, bodyBytes))
	}
	*w.body = write(*w.body)
	if w.records++; w.records == maxRecords {
		return w.flush()
	}
	return nil
}

// flush sends what was gathered.
func (w *batcher) flush() error {
	if w.body == nil {
		return nil
	}
	m := &message{body: w.body}
	m.head = protowire.AppendTag(nil, responseRecords, protowire.BytesType)
	m.head = protowire.AppendVarint(m.head, uint64(len(*w.body)))
	w.messages++
	w.sent += int64(w.records)
	w.bytes += int64(len(*w.body))
	w.body, w.records = nil, 0
	return w.send(m)
}
