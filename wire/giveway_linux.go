package wire

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// GiveWay lowers the scheduling priority of this process to that of nice(1), if
// it is higher, and lets no thread of it that wakes interrupt others (SCHED_BATCH,
// sched(7)): where keylift runs on the server's own machine, the server and its
// clients come first. On another machine it changes little.
func GiveWay() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // it is a courtesy
	}
	// A thread has a priority of its own, which those that it starts inherit.
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, id); err == nil && 20-priority < niceness {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness)
		}
		if policy, err := unix.SchedGetAttr(id, 0); err == nil && policy.Policy == unix.SCHED_NORMAL {
			policy.Policy = unix.SCHED_BATCH
			_ = unix.SchedSetAttr(id, policy, 0)
		}
	}
}

// niceness is what nice(1) adds where it is not told how much.
const niceness = 10
