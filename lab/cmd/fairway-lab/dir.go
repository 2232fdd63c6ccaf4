package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The files of a plane, relative to its folder.
const (
	authorityCert     = "pki/ca.crt"
	authorityKeyFile  = "pki/ca.key"
	servingCert       = "pki/apiserver.crt"
	servingKey        = "pki/apiserver.key"
	serviceAccountKey = "pki/service-account.key"
	tokenFile         = "pki/tokens.csv"
	auditPolicyFile   = "audit-policy.yaml"
	auditLogFile      = "audit.log"
)

// A dir is the folder that holds everything one plane keeps: starting again
// on the same folder finds the same objects, keys and tokens.
type dir struct {
	root string
	lock *os.File
}

// openDir makes the folder and locks it, because two planes on one database
// would destroy it. The kernel drops the lock when the process ends.
func openDir(root string) (dir, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return dir{}, fmt.Errorf("find the folder %s: %w", root, err)
	}
	d := dir{root: absolute}
	for _, sub := range []string{"pki", "etcd", "logs", "components"} {
		if err := os.MkdirAll(d.path(sub), 0o700); err != nil {
			return dir{}, fmt.Errorf("make the folder of the plane: %w", err)
		}
	}
	d.lock, err = os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return dir{}, fmt.Errorf("lock the folder of the plane: %w", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return dir{}, errors.Join(fmt.Errorf("lock %s: another plane runs on it: %w", absolute, err), d.lock.Close())
	}
	return d, nil
}

func (d dir) close() error { return d.lock.Close() }

func (d dir) path(name string) string { return filepath.Join(d.root, name) }

func (d dir) logPath(component string) string { return d.path("logs/" + component + ".log") }

// write replaces a file in one step, readable by its owner only.
func (d dir) write(name string, data []byte) error {
	path := d.path(name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// read returns a file's content, or nothing if it is not there yet.
func (d dir) read(name string) ([]byte, error) {
	data, err := os.ReadFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
