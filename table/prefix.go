package table

import "slices"

// A node is a node of a tree of prefixes, in which a name finds the templates
// whose prefixes it begins with, however many others there are.
type node struct {
	text  string // of the edge to the node
	specs []int  // whose prefixes end here, ascending
	next  []node // no two begin with the same byte
}

// add enters a prefix of spec i.
func (n *node) add(prefix string, i int) {
	if prefix == "" {
		n.specs = append(n.specs, i)
		return
	}
	for k := range n.next {
		c := &n.next[k]
		same := common(c.text, prefix)
		if same == 0 {
			continue
		}
		if same < len(c.text) {
			*c = node{text: c.text[:same], next: []node{{text: c.text[same:], specs: c.specs, next: c.next}}}
		}
		c.add(prefix[same:], i)
		return
	}
	n.next = append(n.next, node{text: prefix, specs: []int{i}})
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// find appends to found, ascending, the specs whose prefixes name begins with.
func (n *node) find(name []byte, found []int) []int {
	for n != nil {
		found = append(found, n.specs...)
		var next *node
		for i := range n.next {
			c := &n.next[i]
			if len(name) >= len(c.text) && string(name[:len(c.text)]) == c.text {
				next, name = c, name[len(c.text):]
				break
			}
		}
		n = next
	}
	if len(found) > 1 {
		slices.Sort(found)
	}
	return found
}
