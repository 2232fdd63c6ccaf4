package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// certLifetime is longer than any lab lives, so that nothing expires in one.
const certLifetime = 10 * 365 * 24 * time.Hour

// ensureCerts writes the plane's certificate authority, the API server's
// certificate and the key that signs service account tokens, unless they are
// there already: kubeconfigs and tokens handed out earlier stay good.
func ensureCerts(d dir) error {
	if _, err := os.Stat(d.path(serviceAccountKey)); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the keys of the plane: %w", err)
	}
	authority, authorityKey, err := newAuthority(d)
	if err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	if err := newServingCert(d, authority, authorityKey); err != nil {
		return fmt.Errorf("make the API server's certificate: %w", err)
	}
	// Last, because its presence says that the others are complete.
	if _, err := newKey(d, serviceAccountKey); err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	return nil
}

func newAuthority(d dir) (*x509.Certificate, crypto.Signer, error) {
	key, err := newKey(d, authorityKeyFile)
	if err != nil {
		return nil, nil, err
	}
	c := newTemplate("fairway-lab")
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return c, key, sign(d, authorityCert, c, c, key.Public(), key)
}

func newServingCert(d dir, authority *x509.Certificate, authorityKey crypto.Signer) error {
	key, err := newKey(d, servingKey)
	if err != nil {
		return err
	}
	c := newTemplate("kube-apiserver")
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	c.IPAddresses = []net.IP{net.ParseIP(loopback)}
	c.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	return sign(d, servingCert, c, authority, key.Public(), authorityKey)
}

func newTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), // clocks of containers and hosts differ a little
		NotAfter:     now.Add(certLifetime),
	}
}

func newKey(d dir, file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, d.write(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func sign(d dir, file string, c, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		return err
	}
	return d.write(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
