// Package pace decides how fast a server is read: a Bucket by a rate that it keeps
// to, a Window by how long the server takes to answer others, a Chunk by how long it
// takes for a part of a large value. They are arithmetic on what
// their callers tell them. They have no clock, no connection and no goroutine, and
// one goroutine uses them at a time.
package pace
