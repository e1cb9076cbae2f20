//go:build unix

package wire

import (
	"os/exec"
	"syscall"
)

// inGroup has the end of cmd be the end of all that it started.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
