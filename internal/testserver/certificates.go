package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates are a certificate authority of a server's own, and what it
// signed: PEM files in the server's folder, valid for a day.
type certificates struct {
	CA                    string
	serverCert, serverKey string
	clientCert, clientKey string
	pool                  *x509.CertPool
	client                tls.Certificate
}

// CA returns the path of the authority's certificate; empty without TLS.
func (s *Server) CA() string {
	if s.certs == nil {
		return ""
	}
	return s.certs.CA
}

// ClientFiles returns the paths of a client certificate and its key, which the
// server accepts; empty without TLS.
func (s *Server) ClientFiles() (cert, key string) {
	if s.certs == nil {
		return "", ""
	}
	return s.certs.clientCert, s.certs.clientKey
}

// ServerFiles returns the paths of the server's certificate and its key; empty
// without TLS.
func (s *Server) ServerFiles() (cert, key string) {
	if s.certs == nil {
		return "", ""
	}
	return s.certs.serverCert, s.certs.serverKey
}

// Renew puts certificates of a new authority into the files. A server that runs uses
// those before until it is told to read them, or Restart.
func (s *Server) Renew() error {
	certs, err := makeCertificates(s.dir, s.options.Expired)
	if err != nil {
		return err
	}
	s.certs = certs
	return nil
}

// ClientTLS returns a configuration that the server accepts and that accepts
// the server, under the names localhost and 127.0.0.1; nil without TLS.
func (s *Server) ClientTLS() *tls.Config {
	if s.certs == nil {
		return nil
	}
	return &tls.Config{
		RootCAs: s.certs.pool, Certificates: []tls.Certificate{s.certs.client},
		ServerName: "localhost", MinVersion: tls.VersionTLS12,
	}
}

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func makeCertificates(dir string, expired bool) (*certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	root := template(1, "keylift test authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	a := &authority{cert: root, key: key, dir: dir}
	c := &certificates{pool: x509.NewCertPool()}
	if c.CA, _, err = a.sign("ca", root, key); err != nil {
		return nil, err
	}
	pemCA, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	c.pool.AppendCertsFromPEM(pemCA)

	server := template(2, "localhost")
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if expired {
		server.NotAfter = time.Now().Add(-time.Minute)
	}
	if c.serverCert, c.serverKey, err = a.issue("server", server); err != nil {
		return nil, err
	}
	client := template(3, "keylift")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if c.clientCert, c.clientKey, err = a.issue("client", client); err != nil {
		return nil, err
	}
	if c.client, err = tls.LoadX509KeyPair(c.clientCert, c.clientKey); err != nil {
		return nil, fmt.Errorf("load the client's certificate: %w", err)
	}
	return c, nil
}

func template(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue makes a key and a certificate for it.
func (a *authority) issue(name string, t *x509.Certificate) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make the key of %s: %w", name, err)
	}
	return a.sign(name, t, key)
}

// sign signs t for key and writes both as PEM files.
func (a *authority) sign(name string, t *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string, err error) {
	cert, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return "", "", fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encode the key of %s: %w", name, err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	if err := writePEM(certFile, "CERTIFICATE", cert); err != nil {
		return "", "", err
	}
	return certFile, keyFile, writePEM(keyFile, "EC PRIVATE KEY", der)
}

func writePEM(file, kind string, der []byte) error {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
