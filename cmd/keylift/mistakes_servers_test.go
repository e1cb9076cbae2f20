package main

// wrongServers are servers that are not there, are none, or hold something else.
var wrongServers = []blunder{
	{args: "sync --host no..such", code: exitAccess, want: `no..such:6379: there is no host "no..such"; check the host name`},
	{args: "sync,check,preview,discover,verify --url redis://$NOBODY", code: exitAccess, want: "$NOBODY: the connection was refused; check host and port, and that the server is running"},
	{args: "sync --url redis://$NOBODY --mode replica", code: exitAccess, want: "$NOBODY: the connection was refused; check host and port, and that the server is running"},
	{args: "sync --url redis://$NOBODY --nodes $NOBODY", code: exitAccess, want: "$NOBODY: the connection was refused; check host and port, and that the server is running"},
	{args: "sync --url unix:///nowhere/redis.sock", code: exitAccess, want: "/nowhere/redis.sock: there is no such socket; check its path, and that the server is running"},
	{args: "sync --url unix://$FOLDER/text.db", code: exitAccess, want: "$FOLDER/text.db: nobody listens at this socket; check its path, and that the server is running"},
	{args: "sync --url unix://$FOLDER", code: exitAccess, want: "$FOLDER: nobody listens at this socket; check its path, and that the server is running"},
	{
		args: "sync --url redis://$HTTP", code: exitAccess,
		want: `$HTTP: the server answered "HTTP/1.1 400 Bad Request\r\n", which is not the Redis protocol; check host and port`,
	},
	{
		args: "sync --url redis://$HTTPS", code: exitAccess,
		want: "$HTTPS: the server closed the connection at once; if it speaks TLS only, set ssl to true; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync --url rediss://$HTTP", code: exitAccess,
		want: "$HTTP: tls: first record does not look like a TLS handshake; the server does not speak TLS at this port: use its TLS port, or set ssl to false",
	},
	{
		args: "sync --url rediss://$HTTPS --tls-insecure", code: exitAccess,
		want: `$HTTPS: the server answered "HTTP/1.1 400 Bad Request\r\n", which is not the Redis protocol; check host and port`,
	},
	{args: "sync --url redis://$ALERTING", code: exitAccess, want: "$ALERTING: the server speaks TLS at this port; set ssl to true, or use its port without TLS"},
	{
		args: "sync --url redis://$POSTGRES", code: exitAccess,
		want: "$POSTGRES: the server closed the connection at once; if it speaks TLS only, set ssl to true; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync --url redis://$MYSQL", code: exitAccess,
		want: `$MYSQL: the server answered "J\x00\x00\x00\n8.0.36\x00\b\x00\x00\x00salted", which is not the Redis protocol; check host and port`,
	},
	{args: "sync --url redis://$MEMCACHED", code: exitAccess, want: `$MEMCACHED: the server answered "ERROR\r\n", which is not the Redis protocol; check host and port`},
	{
		args: "sync --url redis://$SSH", code: exitAccess,
		want: `$SSH: the server answered "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", which is not the Redis protocol; check host and port`,
	},
	{
		args: "sync --url redis://$SILENT --connect-timeout 100ms --read-timeout 100ms", code: exitAccess,
		want: "$SILENT: no answer within the timeout; check host and port, and the firewalls between",
	},
	{
		args: "sync --url redis://$CLOSING", code: exitAccess,
		want: "$CLOSING: the server closed the connection at once; if it speaks TLS only, set ssl to true; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync --url rediss://$CLOSING", code: exitAccess,
		want: "$CLOSING: the server closed the connection at once; if it asks for client certificates, set tls_cert and tls_key; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync --url redis://$EMPTYCLUSTER", code: exitAccess,
		want: "0 primaries with 0 replicas hold 0 of 16384 slots: slots of the cluster belong to no node (0-16383), so not all keys can be read; assign them (redis-cli --cluster fix), and run keylift again",
	},
	{
		args: "sync --url redis://$EMPTYCLUSTER --database 3", code: exitAccess,
		want: "$EMPTYCLUSTER: the server is part of a cluster, which has database 0 alone; leave database out",
	},
	{args: "sync --url redis://$REDIS --database 99", code: exitAccess, want: "$REDIS: there is no such database: the server has fewer; check database"},
	{args: "sync --url redis://$REDIS --database 0,99", code: exitAccess, want: "$REDIS: there is no such database: the server has fewer; check database"},
	{
		args: "sync --url redis://$REDIS --mode scan --follow", code: exitAccess,
		want: `$REDIS: notify-keyspace-events is "", which lacks Eg$lshzxetd, so the server does not tell what changes; set it to KEA (CONFIG SET notify-keyspace-events KEA, or in the service's parameters), or leave follow out`,
	},
	{
		args: "sync,check,preview,discover,verify --url redis://$SENTINEL", code: exitAccess,
		want: "$SENTINEL: this is a sentinel, which holds no keys: give its address in sentinel_addresses and the name of the primary in sentinel_name, in place of host",
	},
	{
		args: "sync --url redis://$SENTINEL --mode replica", code: exitAccess,
		want: "$SENTINEL: this is a sentinel, which holds no keys: give its address in sentinel_addresses and the name of the primary in sentinel_name, in place of host",
	},
	{
		args: "sync --sentinel-name other --sentinel-addresses $SENTINEL", code: exitAccess,
		want: `sentinels of "other": they do not monitor that name, but "mymaster"; check sentinel_name`,
	},
	{
		args: "sync --sentinel-name mymaster --sentinel-addresses $NOBODY --retry-for 0s", code: exitAccess,
		want: `sentinels of "mymaster": none of them answers ($NOBODY: the connection was refused); check sentinel_addresses, and that the sentinels are running`,
	},
	{
		args: "sync --sentinel-name mymaster --sentinel-addresses $SILENT --read-timeout 100ms", code: exitAccess,
		want: `sentinels of "mymaster": none of them answers ($SILENT: no answer within the timeout); check sentinel_addresses, and that the sentinels are running`,
	},
	{
		args: "sync --sentinel-name mymaster --sentinel-addresses $REDIS --retry-for 0s", code: exitAccess,
		want: "$REDIS: this is no sentinel but a server; give the addresses of sentinels, which mostly listen at port 26379, or name the server in host in place of sentinel_name",
	},
	{
		args: "sync --sentinel-name mymaster --sentinel-addresses $HTTP --retry-for 0s", code: exitAccess,
		want: `sentinels of "mymaster": none of them answers ($HTTP: the server answered "HTTP/1.1 400 Bad Request\r\n", which is not the Redis protocol); check sentinel_addresses, and that the sentinels are running`,
	},
	{
		args: "sync --url redis://$EMPTY", code: exitFailed,
		want: "the snapshot would delete 100 of the 100 rows in the destination, more than max_delete_share (50%) allows, and nothing of it was published; check that this is the right server, that it was not emptied, and that database, key_pattern, exclude_pattern, types and tables say what they should; if the rows are to go, run the sync once with --allow-empty",
	},
	{
		args: "sync --url redis://$REDIS --database 1", code: exitFailed,
		want: "the snapshot would delete 100 of the 100 rows in the destination, more than max_delete_share (50%) allows, and nothing of it was published; check that this is the right server, that it was not emptied, and that database, key_pattern, exclude_pattern, types and tables say what they should; if the rows are to go, run the sync once with --allow-empty",
	},
	{args: "verify --url redis://$EMPTY", code: exitFailed, want: "the destination differs from the server; run keylift sync, then verify again"},
	{args: "verify --url redis://$REDIS --destination-schema other", code: exitFailed, want: "duckdb:warehouse.db holds no complete sync yet; run keylift sync first"},
}

// wrongUsers are logins that fail, and users who may not do what is needed.
var wrongUsers = []blunder{
	{args: "sync,check --url redis://$LOCKED", code: exitAccess, want: "$LOCKED: the server asks for a password; set password, and username if it is not the default user"},
	{
		args: "sync --url redis://$LOCKED --mode replica", code: exitAccess,
		want: "$LOCKED: the server asks for a password; set password, and username if it is not the default user",
	},
	{
		args: "sync,check,preview,discover,verify --url redis://$LOCKED --password wrong", code: exitAccess,
		want: "$LOCKED: the user name or the password is wrong, or the user is disabled; check username and password",
	},
	{
		args: "sync --url redis://$LOCKED --username nobody --password open-sesame", code: exitAccess,
		want: "$LOCKED: the user name or the password is wrong, or the user is disabled; check username and password",
	},
	{args: "sync --url redis://$LOCKED --password-command false", code: exitAccess, want: "$LOCKED: password_command failed with exit status 1; run it by hand to see why"},
	{
		args: "sync --url redis://$LOCKED --password-command true", code: exitAccess,
		want: "$LOCKED: password_command printed nothing; it must print the password on its standard output",
	},
	{
		args: "sync", doc: "url: redis://$LOCKED\npassword_command: sleep 1000\nconnect_timeout: 100ms", code: exitAccess,
		want: "$LOCKED: password_command took longer than 100ms; see what it waits for, or raise connect_timeout",
	},
	{
		args: "sync", doc: "url: redis://$LOCKED\npassword_command: echo wrong; echo open-sesame", code: exitAccess,
		want: "$LOCKED: password_command printed more than one line; it must print the password alone",
	},
	{
		args: "sync", doc: "url: redis://$LOCKED\npassword_command: echo log in first >&2; exit 3", code: exitAccess,
		want: `$LOCKED: password_command failed with exit status 3 and said "log in first"; run it by hand to see why`,
	},
	{
		args: "sync", doc: "url: redis://$LOCKED\npassword_command: yes | head -c 100000", code: exitAccess,
		want: "$LOCKED: password_command printed more than 65536 bytes; it must print the password alone",
	},
	{
		args: "sync", doc: "url: redis://$LOCKED\npassword_command: echo wrong", code: exitAccess,
		want: "$LOCKED: the user name or the password is wrong, or the user is disabled; check username and password",
	},
	{args: "sync --url redis://$REDIS --password needless", code: exitAccess, want: "$REDIS: the server has no password for this user; leave password empty"},
	{args: "sync --url redis://disabled:p@$REDIS", code: exitAccess, want: "$REDIS: the user name or the password is wrong, or the user is disabled; check username and password"},
	{
		args: "sync,check,preview,discover --url redis://noscan:p@$REDIS", code: exitAccess,
		want: "$REDIS: SCAN is not permitted (NOPERM this user has no permissions to run the 'scan' command); grant it to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noexpiry:p@$REDIS", code: exitAccess,
		want: "$REDIS: neither PEXPIRETIME nor PTTL is permitted (NOPERM this user has no permissions to run the 'pttl' command); grant one to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://novalues:p@$REDIS", code: exitAccess,
		want: "$REDIS: neither DUMP nor TYPE is permitted (NOPERM this user has no permissions to run the 'dump' command); grant DUMP to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noread:p@$REDIS", code: exitAccess,
		want: "$REDIS: DUMP is not permitted, and GET, HGETALL, LRANGE, SMEMBERS, ZRANGE and XRANGE are not either: keys of some types cannot be read; grant what is missing (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noselect:p@$REDIS --database 1", code: exitAccess,
		want: "$REDIS: SELECT is not permitted (NOPERM this user has no permissions to run the 'select' command); grant it to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noselect:p@$REDIS --database 0,1", code: exitAccess,
		want: "$REDIS: SELECT is not permitted (NOPERM this user has no permissions to run the 'select' command); grant it to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noinfo:p@$REDIS --database all", code: exitAccess,
		want: "$REDIS: INFO does not tell which databases hold keys, so not all can be read; grant INFO to the user, or list the databases",
	},
	{
		args: "sync,verify --url redis://nokeys:p@$REDIS", code: exitSetAside,
		want: "some keys could not be read and were set aside; their rows are as they were; see in the log why, and grant what is missing or leave such keys out",
	},
	{
		args: "preview --url redis://nokeys:p@$REDIS", code: exitSetAside,
		want: "some keys could not be read; see in the log why, and grant what is missing or leave such keys out",
	},
	{
		args: "sync --url redis://nopsync:p@$REDIS --mode replica", code: exitAccess,
		want: "$REDIS: the server does not let keylift join as a replica (PSYNC: NOPERM this user has no permissions to run the 'psync' command); grant +psync and +replconf to the user, or set mode to scan",
	},
	{
		args: "sync --url redis://noreplconf:p@$REDIS --mode replica", code: exitAccess,
		want: "$REDIS: the server does not let keylift join as a replica (REPLCONF: NOPERM this user has no permissions to run the 'replconf' command); grant +psync and +replconf to the user, or set mode to scan",
	},
	{
		args: "sync --url redis://nocommand:p@$REDIS --mode replica", code: exitAccess,
		want: "$REDIS: COMMAND is not permitted (NOPERM this user has no permissions to run the 'command' command), so the keys that a change concerns cannot be told; grant +command to the user",
	},
	{
		args: "sync --url redis://nopsubscribe:p@$NOTIFYING --mode scan --follow", code: exitAccess,
		want: "$NOTIFYING: keyspace notifications are not permitted (NOPERM this user has no permissions to run the 'psubscribe' command); grant +psubscribe +ping &__keyevent@0__:* to the user, or leave follow out",
	},
	{
		args: "sync --url redis://nochannel:p@$NOTIFYING --mode scan --follow", code: exitAccess,
		want: "$NOTIFYING: keyspace notifications are not permitted (NOPERM this user has no permissions to access one of the channels used as arguments); grant +psubscribe +ping &__keyevent@0__:* to the user, or leave follow out",
	},
	{
		args: "sync --url redis://nothing:p@$REDIS", code: exitAccess,
		want: "$REDIS: SCAN is not permitted (NOPERM this user has no permissions to run the 'scan' command); grant it to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://noscan:p@$REDIS --mode scan --follow", code: exitAccess,
		want: "$REDIS: SCAN is not permitted (NOPERM this user has no permissions to run the 'scan' command); grant it to the user (docs/permissions.md has the rule)",
	},
	{
		args: "sync --url redis://$RENAMED", code: exitAccess,
		want: "$RENAMED: the server has no SCAN (ERR unknown command 'SCAN', with args beginning with: '0' 'COUNT' '1'), without which keys cannot be found; connect to the server itself if this is a proxy, or have the command enabled",
	},
}

// wrongTLS are certificates that do not fit, and TLS where there is none.
var wrongTLS = []blunder{
	{
		args: "sync,preview --url redis://$TLS", code: exitAccess,
		want: "$TLS: the server closed the connection at once; if it speaks TLS only, set ssl to true; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync,check --url rediss://$REDIS", code: exitAccess,
		want: "$REDIS: it answers without TLS; the server does not speak TLS at this port: use its TLS port, or set ssl to false",
	},
	{
		args: "sync,check,discover --url rediss://$TLS", code: exitAccess,
		want: "$TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority; set tls_ca to the certificate of the authority that signed it",
	},
	{
		args: "sync --url rediss://$TLS --tls-ca $MUTUALCA", code: exitAccess,
		want: `$TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "keylift test authority"); set tls_ca to the certificate of the authority that signed it`,
	},
	{
		args: "sync --url rediss://$TLS --tls-ca $CA --tls-server-name elsewhere", code: exitAccess,
		want: "$TLS: tls: failed to verify certificate: x509: certificate is valid for localhost, not elsewhere; set tls_server_name to a name that the certificate holds",
	},
	{args: "sync --url rediss://$TLS --tls-ca text.db", code: exitUsage, want: "tls_ca: text.db holds no PEM certificate; name a file that does"},
	{args: "sync --url rediss://$TLS --tls-ca nowhere.pem", code: exitUsage, want: `--tls-ca holds "nowhere.pem": no such file or directory; write the path of a PEM file`},
	{args: "sync --url rediss://$TLS --tls-ca $FOLDER", code: exitUsage, want: `--tls-ca holds "$FOLDER", which is not a file: write the path of a PEM file`},
	{args: "sync --url rediss://$TLS --tls-cert $CA", code: exitUsage, want: "--tls-cert is given without tls_key: give both or neither"},
	{
		args: "sync --url rediss://$TLS --tls-ca $CA --tls-cert $CA --tls-key $CA", code: exitUsage,
		want: "read tls_cert and tls_key: tls: found a certificate rather than a key in the PEM for the private key; check that the one names a PEM certificate and the other its key",
	},
	{
		args: "sync --url rediss://$TLS --tls-ca $CA --tls-cert text.db --tls-key text.db", code: exitUsage,
		want: "read tls_cert and tls_key: tls: failed to find any PEM data in certificate input; check that the one names a PEM certificate and the other its key",
	},
	{
		args: "sync --url rediss://$MUTUAL --tls-ca $MUTUALCA", code: exitAccess,
		want: "$MUTUAL: remote error: tls: certificate required; if the server asks for client certificates, set tls_cert and tls_key",
		or:   "$MUTUAL: the server closed the connection at once; if it asks for client certificates, set tls_cert and tls_key; otherwise check host and port, and that this address may connect",
	},
	{
		args: "sync --url rediss://$MUTUAL --tls-ca $MUTUALCA --tls-cert $OTHERCERT --tls-key $OTHERKEY", code: exitAccess,
		want: "$MUTUAL: remote error: tls: error decrypting message; the server may not accept the client's certificate: check tls_cert and tls_key",
		or:   "$MUTUAL: the server closed the connection at once; check tls_cert and tls_key, which it may not accept, host and port, and that this address may connect",
	},
	{
		args: "sync --url rediss://$EXPIRED --tls-ca $EXPIREDCA", code: exitAccess,
		want: "$EXPIRED: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time $TIME is after $TIME; renew the server's certificate, or set this machine's clock",
	},
	{args: "sync --host h --tls-ca $CA", code: exitUsage, want: "--tls-ca is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it"},
	{args: "sync --host h --tls-ca $CA --ssl=false", code: exitUsage, want: "--tls-ca is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it"},
	{args: "sync --host h --tls-insecure", code: exitUsage, want: "--tls-insecure is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it"},
	{args: "sync --host h --ssl=yes", code: exitUsage, want: `--ssl holds "yes": write true or false`},
}
