package selection

// matchGlob reports whether key matches pattern as SCAN MATCH decides it: by
// bytes, with ? * [set] [^set] and \ to escape. Its oddities are the server's: a
// set that is not closed ends with the pattern, and only the pattern * matches
// the empty key.
func matchGlob(pattern, key string) bool {
	if pattern == "*" {
		return true
	}
	matched, _ := glob(pattern, key)
	return matched
}

// glob matches key; hopeless says that no later start in the key can match
// either, so that patterns with many stars do not take exponential time.
func glob(pattern, key string) (matched, hopeless bool) {
	for pattern != "" && key != "" {
		switch pattern[0] {
		case '*':
			for len(pattern) > 1 && pattern[1] == '*' {
				pattern = pattern[1:]
			}
			if len(pattern) == 1 {
				return true, false
			}
			for ; key != ""; key = key[1:] {
				if matched, hopeless = glob(pattern[1:], key); matched || hopeless {
					return matched, hopeless
				}
			}
			return false, true
		case '?':
			pattern = pattern[1:]
		case '[':
			var in bool
			if in, pattern = globSet(pattern[1:], key[0]); !in {
				return false, false
			}
		default:
			if pattern[0] == '\\' && len(pattern) > 1 {
				pattern = pattern[1:]
			}
			if pattern[0] != key[0] {
				return false, false
			}
			pattern = pattern[1:]
		}
		if key = key[1:]; key == "" {
			for pattern != "" && pattern[0] == '*' {
				pattern = pattern[1:]
			}
		}
	}
	return pattern == "" && key == "", false
}

// globSet reports whether c is in the set that pattern begins with, after its
// opening bracket, and returns what follows the set.
func globSet(pattern string, c byte) (in bool, rest string) {
	not := pattern != "" && pattern[0] == '^'
	if not {
		pattern = pattern[1:]
	}
	for {
		switch {
		case pattern == "":
			return in != not, ""
		case len(pattern) > 1 && pattern[0] == '\\':
			in = in || pattern[1] == c
			pattern = pattern[2:]
		case pattern[0] == ']':
			return in != not, pattern[1:]
		case len(pattern) > 2 && pattern[1] == '-':
			// The server compares signed characters on its commonest platform.
			from, to := int8(pattern[0]), int8(pattern[2])
			if from > to {
				from, to = to, from
			}
			in = in || from <= int8(c) && int8(c) <= to
			pattern = pattern[3:]
		default:
			in = in || pattern[0] == c
			pattern = pattern[1:]
		}
	}
}
