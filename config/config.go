// Package config turns one document, JSON or YAML, and the flags that override
// it into one struct, validated. It knows what each setting means and what it
// may hold; it connects to nothing and imports nothing of the project.
package config

import (
	"net"
	"strconv"
	"time"
)

// A Config is a valid configuration: every field is set, by the document, by a
// flag or by default.
type Config struct {
	Host     string // name or address, without brackets; "" when Socket or Sentinel is set
	Port     int
	Nodes    []string // further host:port of a cluster
	Socket   string   // path of a unix socket; "" when Host or Sentinel is set
	Sentinel Sentinel // names the server in place of Host
	Username string   // "" is the server's default user
	Password Secret
	// PasswordCommand is a command for the shell that prints the password, in place of
	// Password. What it printed, and what files of secrets hold, counts as current for
	// PasswordRefresh.
	PasswordCommand Secret
	PasswordRefresh time.Duration
	Databases       Databases
	TLS             TLS

	KeyPatterns     []string      // Redis globs; a key that matches any is read
	ExcludePatterns []string      // Redis globs; a key that matches any is not
	Types           []string      // type names as the table has them; nil reads all
	Mode            string        // "auto", "scan", "replica" or "rdb"
	ReadFrom        string        // "primary" or "replica"
	RDBFile         string        // path, or "-" for standard input; set where Mode is "rdb"
	Follow          bool          // go on until interrupted; Mode is not "rdb"
	RepairInterval  time.Duration // of following where Mode is "scan"
	BatchSize       int           // keys
	Fast            bool
	BigKeyBytes     int64
	MaxValueBytes   int64

	MaxCommandMillis  int           // that one command may keep the server busy
	MaxSourceLatency  time.Duration // zero: it does not matter
	MaxKeysPerSecond  int           // zero: no limit
	MaxBytesPerSecond int64         // zero: no limit

	Destination        Destination
	DestinationSchema  string
	TableName          string
	Deletes            string // "soft", "hard" or "ignore"
	AllowEmpty         bool
	MaxDeleteShare     float64 // from 0 to 1; see MayDelete
	CheckpointInterval int     // keys
	PublishInterval    time.Duration

	Tables    []Table // in the order of matching; nil: there are none
	Unmatched string  // what becomes of keys that no table matches: "table" or "skip"
	Views     bool

	MemoryLimit    int64 // bytes
	SpoolBytes     int64 // of reading as a replica
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration
	RetryFor       time.Duration // zero fails at the first error

	origins map[string]string     // by key: where its value comes from; absent: the default
	files   map[string]secretFile // by key: the file that its value comes from; absent: none
}

// TLS says how the connection to the server is encrypted. The files are PEM
// files; they were there when the configuration was loaded.
type TLS struct {
	Enabled    bool
	CA         string // file of certificates to trust; "" trusts the system's
	Cert, Key  string // files of the client's certificate and its key; both or neither
	ServerName string // the name to verify; "" verifies the host
	Insecure   bool   // the certificate is not verified

	// The same as PEM text, for callers that have no files; no setting fills them.
	CAText, CertText string
	KeyText          Secret
}

// Databases are the numbered databases to read.
type Databases struct {
	All     bool  // every database that holds keys
	Numbers []int // in the order given, without repetition; nil when All
}

// A Destination says where the rows go.
type Destination struct {
	Kind string // "duckdb" or "memory"
	Path string // of the DuckDB file
}

// String returns the destination as a document writes it.
func (d Destination) String() string { return d.Kind + ":" + d.Path }

// NamesServer reports whether there is a server to read.
func (c *Config) NamesServer() bool { return c.Host != "" || c.Socket != "" || c.Sentinel.Name != "" }

// Address returns the network, "tcp" or "unix", and the address to dial; none where
// sentinels tell it.
func (c *Config) Address() (network, address string) {
	switch {
	case c.Socket != "":
		return "unix", c.Socket
	case c.Host == "":
		return "tcp", ""
	}
	return "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
}

// MayDelete returns the share of the rows, from 0 to 1, that a snapshot may delete.
func (c *Config) MayDelete() float64 {
	if c.AllowEmpty {
		return 1
	}
	return c.MaxDeleteShare
}

// An Override is a setting given beside the document, by a flag. A list is given
// as several overrides of the same key.
type Override struct {
	Key   string // as in the document: "batch_size"
	Value string // taken as it is: nothing in it is expanded
}

// Load reads doc, a JSON object or a YAML mapping, lets overrides take the place
// of what it holds, and fills in the defaults. An empty doc is allowed. The
// error is an *Error that lists every mistake.
func Load(doc []byte, overrides ...Override) (*Config, error) {
	l := &loader{needServer: true}
	return l.load(doc, overrides)
}

// LoadWithoutServer is Load for those who look at the destination alone: the
// document need not name a server.
func LoadWithoutServer(doc []byte, overrides ...Override) (*Config, error) {
	return (&loader{}).load(doc, overrides)
}

// LoadForm is Load for a form that fills settings in by their keys: there is no
// document, and mistakes name a setting by its key.
func LoadForm(settings ...Override) (*Config, error) {
	return (&loader{needServer: true, form: true}).load(nil, settings)
}

func (l *loader) load(doc []byte, overrides []Override) (*Config, error) {
	fields, wrong := parse(doc)
	if wrong != nil {
		l.mistakes = append(l.mistakes, *wrong)
		return nil, l.err()
	}
	below := l.document(fields)
	above := l.overrides(overrides)
	all := merge(below, above)
	c := l.settle(all)
	l.validate(c, all)
	if len(l.mistakes) > 0 {
		return nil, l.err()
	}
	return c, nil
}
