#include "textflag.h"

// func hasCLMUL() bool
TEXT ·hasCLMUL(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $1, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

// FOLD multiplies the 16 bytes in x by a pair of factors. It leaves x without the
// second product, which is in t.
#define FOLD(factors, x, t) \
	MOVO      x, t; \
	PCLMULQDQ $0x00, factors, x; \
	PCLMULQDQ $0x11, factors, t

// func foldCRC64(crc uint64, b []byte, factors *[4]uint64, folded *[16]byte)
TEXT ·foldCRC64(SB), NOSPLIT, $0-48
	MOVQ  crc+0(FP), X4
	MOVQ  b_base+8(FP), SI
	MOVQ  b_len+16(FP), CX
	MOVQ  factors+32(FP), DX
	MOVOU (DX), X8
	MOVOU 16(DX), X9
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	PXOR  X4, X0
	SUBQ  $64, CX
	JZ    one

next:
	ADDQ  $64, SI
	FOLD(X8, X0, X4)
	FOLD(X8, X1, X5)
	FOLD(X8, X2, X6)
	FOLD(X8, X3, X7)
	MOVOU (SI), X10
	MOVOU 16(SI), X11
	MOVOU 32(SI), X12
	MOVOU 48(SI), X13
	PXOR  X4, X0
	PXOR  X5, X1
	PXOR  X6, X2
	PXOR  X7, X3
	PXOR  X10, X0
	PXOR  X11, X1
	PXOR  X12, X2
	PXOR  X13, X3
	SUBQ  $64, CX
	JNZ   next

one:
	FOLD(X9, X0, X4)
	PXOR   X0, X1
	PXOR   X4, X1
	FOLD(X9, X1, X5)
	PXOR   X1, X2
	PXOR   X5, X2
	FOLD(X9, X2, X6)
	PXOR   X2, X3
	PXOR   X6, X3
	MOVQ   folded+40(FP), DI
	MOVOU  X3, (DI)
	RET
