package config

// validate checks what concerns several settings at once, and sets what follows
// from others.
func (l *loader) validate(c *Config, all layer) {
	given := func(key string) bool {
		_, ok := all[key]
		return ok
	}
	l.validateFile(c, all)
	l.validateSentinel(c, all)
	l.validateTables(c, all)
	if c.Follow && c.Mode == "rdb" {
		l.wrong(all["follow"], "is true, but a file does not change: remove it, or read a server")
	}
	if l.needServer && !given("host") && !given("url") && !given("sentinel_name") && !given("sentinel_addresses") && c.Mode != "rdb" && !l.named {
		l.mistakes = append(l.mistakes, mistake{wholeAt, "host is missing: name the server in host, or give its whole address in url"})
	}
	if c.TLS.Enabled && c.Socket != "" && !l.isWrong(all["ssl"]) {
		l.wrong(all["ssl"], "is true, but a unix socket has no TLS: remove it")
	}
	needTLS := []string{"tls_ca", "tls_cert", "tls_key", "tls_server_name"}
	if c.TLS.Insecure {
		needTLS = append(needTLS, "tls_insecure")
	}
	for _, key := range needTLS {
		if given(key) && !c.TLS.Enabled && !c.Sentinel.TLS && all["ssl"].value.shape != null {
			l.wrong(all[key], "is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it")
		}
	}
	for key, other := range map[string]string{"tls_cert": "tls_key", "tls_key": "tls_cert"} {
		if given(key) && !given(other) {
			l.wrong(all[key], "is given without %s: give both or neither", other)
		}
	}
	if given("password") && given("password_command") {
		l.wrong(all["password_command"], "cannot be given beside %s: keep one of them", all["password"].name)
	}
	l.validateRefresh(c, all)
	if g := all["username"]; g.part != "" && !given("password") && !given("password_command") {
		l.wrong(g, "has no password beside it: write redis://user:password@host, redis://:password@host, or give password as well")
	}
	if c.Fast && !given("batch_size") {
		c.BatchSize = fastBatch
		c.origins["batch_size"] = "fast"
	}
	if c.Fast && !given("big_key_bytes") {
		c.BigKeyBytes = fastBigKey
		c.origins["big_key_bytes"] = "fast"
	}
	if c.Fast && !given("max_command_ms") {
		c.MaxCommandMillis = fastMillis
		c.origins["max_command_ms"] = "fast"
	}
}

// validateRefresh checks that there is something to refresh. What should have brought it
// and is wrong itself is told as that.
func (l *loader) validateRefresh(c *Config, all layer) {
	refresh, given := all["password_refresh"]
	if !given || c.ChangingLogin() {
		return
	}
	for _, key := range []string{"username", "password", "password_command", "url"} {
		if from, ok := all[key]; ok && l.isWrong(from) {
			return
		}
	}
	l.wrong(refresh, "is given, but the password never changes: take it from password_command or password_file, or remove password_refresh")
}

// validateFile checks what goes with an RDB file and what does not.
func (l *loader) validateFile(c *Config, all layer) {
	file, given := all["rdb_file"]
	switch {
	case given && c.Mode == "auto":
		c.Mode = "rdb"
		c.origins["mode"] = "rdb_file"
	case given && c.Mode != "rdb":
		l.wrong(file, "is given, but mode is %s: set mode to rdb, or remove it", c.Mode)
	case !given && c.Mode == "rdb":
		l.wrong(all["mode"], "is rdb, but rdb_file is missing: name the file in rdb_file, or - for standard input")
	}
}
