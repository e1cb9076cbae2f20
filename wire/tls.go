package wire

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/keylift/keylift/config"
)

// tlsFiles make the configuration of TLS from files that may be replaced at any
// time.
type tlsFiles struct {
	settings *config.TLS
	log      *slog.Logger

	mu    sync.Mutex
	texts [3]string // of the certificates to trust, the client's and its key
	made  *tls.Config
}

// current returns the configuration that the files make now. Where they make none,
// as when one of them is new and another is not, it is the one before.
func (f *tlsFiles) current() *tls.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.made
	if err := f.read(); err != nil {
		f.log.Warn("the files of TLS cannot be used as they are; what they held before is", "error", err)
	} else if f.made != before {
		f.log.Info("the files of TLS were read anew")
	}
	return f.made
}

// read reads the files, and makes another configuration if they have changed. The
// error is a *config.Error.
func (f *tlsFiles) read() error {
	t := f.settings
	texts := [3]string{t.CAText, t.CertText, t.KeyText.Reveal()}
	for i, file := range []struct{ setting, path string }{{"tls_ca", t.CA}, {"tls_cert", t.Cert}, {"tls_key", t.Key}} {
		if file.path == "" {
			continue
		}
		b, err := os.ReadFile(file.path)
		if err != nil {
			return mistake("read %s: %v; name a file that is there and may be read", file.setting, err)
		}
		texts[i] = string(b)
	}
	if f.made != nil && slices.Equal(texts[:], f.texts[:]) {
		return nil
	}
	made, err := tlsConfig(t, texts)
	if err != nil {
		return err
	}
	f.texts, f.made = texts, made
	return nil
}

func tlsConfig(t *config.TLS, texts [3]string) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // tls_insecure is the user's choice, and warned of
	ca, cert, key := texts[0], texts[1], texts[2]
	if ca != "" || t.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, mistake("tls_ca: %s holds no PEM certificate; name a file that does", named(t.CA))
		}
	}
	if cert == "" && t.Cert == "" {
		return c, nil
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, mistake("read tls_cert and tls_key: %v; check that the one names a PEM certificate and the other its key", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// named is what a mistake calls the place of a PEM text.
func named(file string) string {
	if file == "" {
		return "the file"
	}
	return file
}
