package fivetran

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// A message is an UpdateResponse in its wire form. Sending it gives its memory
// back: it is sent once.
type message struct {
	head []byte
	body *[]byte
}

// codec sends a message as it is and leaves all others to protobuf's codec.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal returns the wire form of v, which grpc releases once it is sent.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	if m.body == nil {
		return nil, fmt.Errorf("send records: the message was sent before")
	}
	body := mem.NewBuffer(m.body, bodies)
	m.body = nil
	return mem.BufferSlice{mem.SliceBuffer(m.head), body}, nil
}

// maxPooledBytes is the largest buffer that is kept for reuse.
const maxPooledBytes = 4 << 20

// bufferPool keeps the buffers of messages.
type bufferPool struct{ sync.Pool }

var bodies = &bufferPool{}

var _ mem.BufferPool = bodies

// Get returns an empty buffer with room for n bytes.
func (p *bufferPool) Get(n int) *[]byte {
	b, _ := p.Pool.Get().(*[]byte)
	if b == nil || cap(*b) < n {
		fresh := make([]byte, 0, n)
		b = &fresh
	}
	*b = (*b)[:0]
	return b
}

// Put takes a buffer back.
func (p *bufferPool) Put(b *[]byte) {
	if cap(*b) <= maxPooledBytes {
		p.Pool.Put(b)
	}
}
