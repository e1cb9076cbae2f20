package rdb

import "encoding/binary"

// crcPolynomial is the Jones polynomial, bits reversed. (Redis: crc64.c.)
const crcPolynomial = 0x95ac9329ac4bc9b5

// crcTables[i][b] is the checksum of the byte b followed by i zero bytes.
var crcTables = func() (t [16][256]uint64) {
	for b := range t[0] {
		crc := uint64(b)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ crcPolynomial
			} else {
				crc >>= 1
			}
		}
		t[0][b] = crc
	}
	for i := 1; i < len(t); i++ {
		for b := range t[i] {
			crc := t[i-1][b]
			t[i][b] = crc>>8 ^ t[0][byte(crc)]
		}
	}
	return t
}()

// crc64 returns the CRC-64 of b as Redis computes it: reflected, from zero,
// without a final inversion.
func crc64(b []byte) uint64 { return appendCRC64(0, b) }

// appendCRC64 returns the CRC-64 of what has the checksum crc followed by b.
func appendCRC64(crc uint64, b []byte) uint64 {
	if folded, rest, ok := fold(crc, b); ok {
		crc, b = tableCRC64(0, folded[:]), rest
	}
	return tableCRC64(crc, b)
}

// tableCRC64 is appendCRC64 for any processor.
func tableCRC64(crc uint64, b []byte) uint64 {
	for len(b) >= 16 {
		// Two halves that do not wait for each other.
		low, high := crc^binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		crc = crcTables[15][byte(low)] ^
			crcTables[14][byte(low>>8)] ^
			crcTables[13][byte(low>>16)] ^
			crcTables[12][byte(low>>24)] ^
			crcTables[11][byte(low>>32)] ^
			crcTables[10][byte(low>>40)] ^
			crcTables[9][byte(low>>48)] ^
			crcTables[8][low>>56] ^
			crcTables[7][byte(high)] ^
			crcTables[6][byte(high>>8)] ^
			crcTables[5][byte(high>>16)] ^
			crcTables[4][byte(high>>24)] ^
			crcTables[3][byte(high>>32)] ^
			crcTables[2][byte(high>>40)] ^
			crcTables[1][byte(high>>48)] ^
			crcTables[0][high>>56]
		b = b[16:]
	}
	for _, c := range b {
		crc = crc>>8 ^ crcTables[0][byte(crc)^c]
	}
	return crc
}
