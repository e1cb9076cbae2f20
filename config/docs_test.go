package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/keylift/keylift/config"
)

//go:generate go test -run TestDocumentation -update .

var update = flag.Bool("update", false, "write docs/configuration.md")

// docsHead explains what the tables below it list.
const docsHead = `# Configuration

A configuration is one document, JSON or YAML, whichever it turns out to be:

~~~yaml
host: redis.example.com
username: keylift
password: ${REDIS_PASSWORD}
key_pattern: ["player:*", "leaderboard:*"]
destination: warehouse.db
~~~

The document is strict: an unknown key, a key given twice, a value of the wrong kind and two keys that contradict each other are mistakes. All
mistakes are reported at once, one sentence each, and nothing is connected to before there are none. ` + "`keylift config schema`" + ` prints a JSON Schema
for editors, ` + "`keylift config print`" + ` the configuration in effect and where each value comes from, with secrets masked.

- **Text in place of anything.** Every value may be text: ` + "`\"6379\"`, `\"true\"`, `\"0,3\"`" + `. An empty text or null is as if the key were absent. So a
  ` + "`configuration.json`" + ` whose values are all text works as it is.
- **Environment.** ` + "`${NAME}`" + ` in a value is replaced by the environment variable, ` + "`${NAME:-default}`" + ` by the default where the variable is unset or
  empty. A variable without default has to be set. What a variable holds is taken as it is. ` + "`$$`" + ` is a dollar sign.
- **Secrets from files.** A key that ends in ` + "`_file`" + ` names a file, relative to where keylift runs, that holds the value of the key without it. One
  newline at its end is dropped. A key and its file cannot both be given.
- **Secrets that change.** Such a file is read again for each connection, and the files of TLS too. ` + "`password_command`" + ` asks a provider for its token.
  See [security.md](security.md).
- **Flags.** Each key is a flag too, with dashes: ` + "`--batch-size 500`" + `. A flag wins over the document and is taken as it is; a list is given by
  repeating the flag. ` + "`--url`" + ` is another server: it replaces the document's host, port, ssl, username and password.
- **Sizes** are bytes, or a number with B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024).
- **Durations** are seconds, or a number with ms, s, m or h, also together: ` + "`1m30s`" + `.

`

// docsTables follows the settings of tables, and comes before their keys.
const docsTables = `
For example:

~~~yaml
` + docsExample + `~~~

A flag, an environment variable or a text in a ` + "`configuration.json`" + ` holds the same list as JSON:
` + "`--tables '[{\"name\": \"players\", \"keys\": \"player:{player_id:int}:profile\"}]'`" + `. Mistakes name a table by its name, or by its place from 0
on: ` + "`tables[players].columns[level].type`" + `.
`

const docsExample = `tables:
  - name: players
    keys: "player:{player_id:int}:profile"
    layout: columns
    columns:
      - {field: level, type: int}
      - {field: lastLogin, type: unix_s}
      - {field: wins, type: int, default: "0"}
    history: true
  - name: leaderboards
    keys: "leaderboard:{board}"
    layout: elements
    type: zset
  - name: events
    keys: "events:{day}"
    layout: elements
    type: stream
    columns: [{field: amount, name: cents, type: int}]
    trim: mirror
  - name: sessions # a key, its whole value, and a column session
    keys: "session:{session}"
unmatched: skip
`

// documentation returns docs/configuration.md as the settings make it.
func documentation() string {
	var b strings.Builder
	b.WriteString(docsHead)
	b.WriteString("<!-- The tables are written by go generate ./config from the settings; change them there. -->\n")
	group, nested := "", ""
	for _, s := range config.Settings() {
		if s.Group != group {
			b.WriteString(nested)
			group, nested = s.Group, ""
			fmt.Fprintf(&b, "\n## %s\n\n%s", group, tableHead)
		}
		b.WriteString(line(s))
		if s.Keys != nil {
			nested = docsTables + keys(s)
		}
	}
	return b.String()
}

const tableHead = "| key | default | example | meaning |\n|---|---|---|---|\n"

func line(s config.Setting) string {
	doc := s.Doc
	if s.Secret {
		doc += " Secret: never printed or logged."
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", s.Key, code(s.Default), code(s.Example), doc)
}

// keys describes what a setting lists, and what that lists.
func keys(s config.Setting) string {
	text, nested := fmt.Sprintf("\n### Each of `%s`\n\n%s", s.Key, tableHead), ""
	for _, k := range s.Keys {
		text += line(k)
		if k.Keys != nil {
			nested += keys(k)
		}
	}
	return text + nested
}

// What the documentation shows is a configuration.
func TestDocumentation_example(t *testing.T) {
	if c := load(t, "host: h\n"+docsExample); len(c.Tables) != 4 || c.Unmatched != "skip" {
		t.Errorf("got %+v", c.Tables)
	}
}

// code returns s as Markdown code, or a dash for nothing.
func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

func TestDocumentation(t *testing.T) {
	const path = "../docs/configuration.md"
	want := documentation()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the settings make it: run go generate ./config", path)
	}
}
