// Package replication follows a server as a replica does: the link (handshake,
// PSYNC, acknowledgements) and the stream of commands after it. A Spool holds what
// has to wait of it, a Parser reads it, Commands knows from the server which
// arguments are keys, and a Window gathers what the commands changed. The package
// reads no keys and shapes no rows.
package replication
