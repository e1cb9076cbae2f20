package rdb

// SetBlocks makes s begin with a buffer of so many bytes and hand out keys that
// are longer than most as large ones.
func (s *Scanner) SetBlocks(least, most int) {
	b := make([]byte, 0, least)
	s.buffer, s.most = &b, most
}
