// Package topology knows which node of a cluster owns which hash slot: it finds the
// slot of a key and reads what CLUSTER NODES answers. It connects to nobody.
package topology
