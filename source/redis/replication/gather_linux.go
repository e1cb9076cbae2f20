package replication

import (
	"net"
	"syscall"
)

// gather has reads of conn wait until about so many bytes have come, 1: any, and
// reports whether they do: they may as well return sooner.
func gather(conn net.Conn, bytes int) bool {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	return err == nil && failed == nil
}
