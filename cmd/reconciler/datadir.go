package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/git"
)

// gitCopy is the copy of the repository in the data folder: a cache of its remote.
type gitCopy struct {
	dir   string
	log   *slog.Logger
	store *git.Store
}

// openCopy opens the copy, and makes it anew if it is damaged.
func openCopy(dir string, log *slog.Logger) (*gitCopy, error) {
	c := &gitCopy{dir: dir, log: log}
	var err error
	if c.store, err = git.OpenStore(dir, git.Options{}); err == nil {
		return c, nil
	}
	log.Error("the Git store is made anew", "err", err)
	_, err = c.anew()
	return c, err
}

// renew makes a copy anew that turned out to be damaged.
func (c *gitCopy) renew() (*git.Store, error) {
	_ = c.store.Close() // it is damaged
	return c.anew()
}

func (c *gitCopy) anew() (*git.Store, error) {
	if err := os.RemoveAll(c.dir); err != nil {
		return nil, fmt.Errorf("make the Git store anew: %w", err)
	}
	store, err := git.OpenStore(c.dir, git.Options{})
	if err == nil {
		c.store = store
	}
	return store, err
}

// sealOf is the secret that results and marks are kept under. It is made from
// what this installation knows and whoever has only its data folder does not,
// so that what was put there by somebody else is not taken.
func sealOf(secrets ...string) []byte {
	key := cache.KeyOf(append([]string{"fairway seal"}, secrets...)...)
	return key[:]
}

// claimFolder holds the data folder against the repository and branch it is of. A folder that
// was copied from an installation of another repository loses its copy of Git,
// and its journal is put aside: what was read elsewhere must not be brought
// about here before the first look at this repository.
func claimFolder(dir, owner string, log *slog.Logger) {
	file := filepath.Join(dir, "installation")
	sum := sha256.Sum256([]byte(owner))
	want := hex.EncodeToString(sum[:]) + "\n"
	have, err := os.ReadFile(file)
	if err == nil && string(have) == want {
		return
	}
	if !errors.Is(err, fs.ErrNotExist) {
		log.Error("the data folder is of another repository or branch; nothing of it is used", "dir", dir)
		aside := filepath.Join(dir, "journal.db.foreign-"+time.Now().UTC().Format("20060102T150405Z"))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			err := os.Rename(filepath.Join(dir, "journal.db"+suffix), aside+suffix)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				log.Error("put the other journal aside", "err", err)
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, "git")); err != nil {
			log.Error("remove the other copy of Git", "err", err)
		}
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		log.Error("note whose the data folder is", "err", err)
	}
}

func withoutUser(repo string) string {
	u, err := url.Parse(repo)
	if err != nil {
		return repo
	}
	u.User = nil
	return u.String()
}
