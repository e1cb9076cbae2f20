package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// What must not get out: of a server, of a configuration.
const (
	canaryPassword = "canary-password"
	canaryValue    = "canary-value"
	canaryKey      = "canary-key"
)

// No password is in anything that a command says or leaves behind, whatever goes
// wrong, and no value or name of a key in what it logs.
func TestCanary(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{
		"default on >" + canaryPassword + " ~* &* +@all", "some on >" + canaryPassword + " ~other:* &* +@all", "none on >" + canaryPassword + " ~* -@all",
	}})
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := func(user, password string) string { return "redis://" + user + ":" + password + "@" + s.Address() }
	said := map[string][2]string{} // by command line: standard output and error
	keylift := func(code int, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "keylift", args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "CANARY="+canaryPassword)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		got := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != code {
			t.Errorf("keylift %q: exit code %d, want %d: %s", args, got, code, &stderr)
		}
		said[fmt.Sprintf("%q", args)] = [2]string{stdout.String(), stderr.String()}
	}
	write("good.yaml", "url: "+url("default", "${CANARY}")+"\n")
	write("command.yaml", "host: h\nport: 1\npassword_command: echo "+canaryPassword+"; echo "+canaryPassword+" >&2; exit 1\n")
	write("not.pem", canaryPassword)
	fillCanaries(t, s)

	for _, args := range [][]string{
		{"sync", "--verbose"},
		{"sync", "--verbose", "--log-format", "json", "--mode", "replica"},
		{"sync", "--max-value-bytes", "20"},
		{"sync", "--tables", `[{"name": "typed", "keys": "canary-key:{id}", "layout": "columns", "columns": [{"field": "n", "type": "int"}]}]`},
		{"check"},
		{"check", "--mode", "replica", "--follow"},
		{"discover"},
		{"status"},
		{"state", "show"},
		{"config", "print"},
	} {
		keylift(0, append(args, "--config", "good.yaml")...)
	}
	keylift(0, "config", "print", "--config", "command.yaml")
	keylift(1, "verify", "--config", "good.yaml") // the last sync read into another table
	keylift(4, "sync", "--url", url("some", canaryPassword), "--verbose", "--destination", "some.db")
	for _, args := range [][]string{
		{"--url", url("default", canaryPassword+"-wrong")},
		{"--url", url("nobody", canaryPassword)},
		{"--url", url("none", canaryPassword)},
		{"--url", strings.Replace(url("default", canaryPassword), "redis:", "rediss:", 1), "--connect-timeout", "300ms"},
		{"--url", url("none", canaryPassword), "--mode", "replica"},
		{"--config", "command.yaml"},
	} {
		keylift(3, append([]string{"sync", "--verbose", "--retry-for", "0s"}, args...)...)
	}
	for _, command := range []string{"check", "preview", "discover"} {
		keylift(3, command, "--verbose", "--url", url("default", canaryPassword+"-wrong"))
	}
	for _, args := range [][]string{
		{"--url", "redis://u:" + canaryPassword + "@h:port"},
		{"--url", "redis://u:" + canaryPassword + "%zz@h"},
		{"--url", canaryPassword},
		{"--url", "redis://h/" + canaryPassword, "--password", canaryPassword},
		{"--host", "u:" + canaryPassword + "@h"},
		{"--host", "h", "--port", "x:" + canaryPassword + "@h"},
		{"--host", "h", "--ssl", "--tls-ca", "not.pem"},
		{"--host", "h", "--url", "redis://:" + canaryPassword + "@h", "--password", canaryPassword},
	} {
		keylift(2, append([]string{"sync"}, args...)...)
	}
	keylift(1, "sync", "--config", "good.yaml", "--destination", filepath.Join(folder, "no", "such", "folder.db"))
	s.Kill()
	keylift(3, "sync", "--config", "good.yaml", "--log-format", "json", "--retry-for", "0s")

	for args, text := range said {
		for _, secret := range []string{canaryPassword, canaryKey, canaryValue} {
			// What a configuration says of databases, hosts and templates is quoted, and
			// standard output is for what was asked for.
			own := strings.Contains(args, `"h`) || strings.Contains(args, "tables")
			if strings.Contains(text[1], secret) && (secret != canaryPassword || !own) || strings.Contains(text[0], secret) && secret == canaryPassword {
				t.Errorf("%s is in what keylift %s says:\n%s%s", secret, args, text[0], text[1])
			}
		}
	}
	left := 0
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".pem") {
			return err
		}
		left++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(canaryPassword)) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil || left < 2 {
		t.Errorf("%d files are left, %v", left, err)
	}
	for table, rows := range ownTables(t, filepath.Join(folder, "warehouse.db")) {
		if strings.Contains(rows, canaryKey) || strings.Contains(rows, canaryValue) {
			t.Errorf("table %s holds %s", table, rows)
		}
	}
}

// While it runs, the command line shows no secret that it was given.
func TestCanary_commandLine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: the command line is kept private on Linux alone")
	}
	s := testserver.Redis(t, testserver.Options{Password: canaryPassword, Args: []string{"--notify-keyspace-events", "KEA"}})
	folder := t.TempDir()
	for _, args := range [][]string{
		{"--url", "redis://:" + canaryPassword + "@" + s.Address()},
		{"--url=redis://:" + canaryPassword + "@" + s.Address()},
		{"--url", "redis://" + s.Address(), "--password=" + canaryPassword},
		{"--url", "redis://" + s.Address(), "--password-command", "echo " + canaryPassword},
	} {
		cmd := exec.CommandContext(t.Context(), "keylift", append([]string{"sync", "--follow", "--destination", "memory:"}, args...)...)
		cmd.Dir = folder
		p := start(t, cmd, "mode chosen")
		if !p.meets() {
			t.Fatal(p.out)
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		if err != nil || bytes.Contains(line, []byte(canaryPassword)) || !bytes.Contains(line, []byte("--follow")) {
			t.Errorf("%q, %v", line, err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.ended
	}
}

// Files that may hold what keys hold are for the user alone; one that is there keeps
// its permissions.
func TestSync_filesArePrivate(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{Password: canaryPassword})
	fillCanaries(t, s)
	folder := t.TempDir()
	modes := func() map[string]fs.FileMode {
		t.Helper()
		all := map[string]fs.FileMode{}
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // another has taken its place
			}
			if err != nil {
				t.Fatal(err)
			}
			all[e.Name()] = info.Mode()
		}
		return all
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "keylift", append(args, "--url", "redis://:"+canaryPassword+"@"+s.Address())...)
		cmd.Dir = folder
		return cmd
	}
	for _, args := range [][]string{{"sync"}, {"discover", "--write", "tables.yaml"}} {
		if out, err := command(args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for name, mode := range modes() {
		if mode != 0o600 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "warehouse.db"), 0o640); err != nil {
		t.Fatal(err)
	}
	p := start(t, command("sync", "--follow", "--mode", "replica"), "mode=replica")
	for met := false; !met; {
		select {
		case <-p.ended:
			t.Fatal(p.out)
		case <-time.After(10 * time.Millisecond):
		}
		for name, mode := range modes() {
			if want := map[string]fs.FileMode{"warehouse.db": 0o640}[name]; mode != 0o600 && mode != want {
				t.Errorf("%s has mode %v", name, mode)
			}
			met = met || name == "warehouse.db.status"
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

// fillCanaries makes keys of which nothing must be told.
func fillCanaries(t *testing.T, s *testserver.Server) {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Address()}, Password: canaryPassword, ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, command := range [][]string{
		{"SET", canaryKey, canaryValue},
		{"SET", canaryKey + ":long", strings.Repeat(canaryValue, 100)},
		{"HSET", canaryKey + ":1", "n", canaryValue, canaryValue, "1"},
		{"ZADD", canaryKey + ":z", "1", canaryValue},
		{"SADD", canaryKey + ":s", canaryValue},
		{"SET", "other:1", "1"},
	} {
		if err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

// ownTables returns the text of the rows of keylift's own tables.
func ownTables(t *testing.T, file string) map[string]string {
	t.Helper()
	db, err := sql.Open("duckdb", file+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	texts := func(query string) (all []string) {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	tables := map[string]string{}
	for _, name := range texts("SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, '_keylift')") {
		tables[name] = strings.Join(texts(`SELECT to_json(r)::VARCHAR FROM "`+name+`" r`), "\n")
	}
	if len(tables) == 0 {
		t.Error("there are no tables of keylift's own")
	}
	return tables
}
