package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Damage is something that happens to the daemon's files.
type Damage string

// The kinds of damage.
const (
	// Lost: the folder is gone.
	Lost Damage = "lost"
	// Flipped: one bit of every file is another.
	Flipped Damage = "flipped"
	// Torn: every file ends early.
	Torn Damage = "torn"
	// Emptied: every file is there and has nothing in it.
	Emptied Damage = "emptied"
	// Rubbish: every file holds something else of the same length.
	Rubbish Damage = "rubbish"
)

// Fill lets nothing more be written to any file, as a full disk does, by the
// running process and by those started later; Clear makes room again for those
// started later.
func (d *Daemon) Fill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = true
	if d.running == nil {
		return nil
	}
	limit := unix.Rlimit{Cur: 0, Max: 0}
	if err := unix.Prlimit(d.running.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("take the room for files away: %w", err)
	}
	return nil
}

// Clear makes room for files again.
func (d *Daemon) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = false
}

// Damages are those that change content.
func Damages() []Damage { return []Damage{Lost, Flipped, Torn, Emptied, Rubbish} }

// Hurt does damage to the daemon's data folder.
func (d *Daemon) Hurt(what Damage, random *rand.Rand) error {
	err := filepath.WalkDir(d.opts.Data, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a daemon that runs moves and removes files meanwhile
			return nil
		case err != nil:
			return err
		case what == Lost && path == d.opts.Data:
			return lose(path)
		case !e.Type().IsRegular():
			return nil
		}
		if err := damage(path, what, random); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("damage %s: %w", d.opts.Data, err)
	}
	return nil
}

// lose removes a folder, though something may be made in it meanwhile.
func lose(dir string) error {
	var err error
	for range 10 {
		if err = os.RemoveAll(dir); err == nil {
			return fs.SkipAll
		}
	}
	return err
}

func damage(path string, what Damage, random *rand.Rand) error {
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	_ = os.Chmod(path, 0o600) // Git's objects are read-only
	return os.WriteFile(path, hurt(what, raw, random), info.Mode().Perm())
}

func hurt(what Damage, raw []byte, random *rand.Rand) []byte {
	switch what {
	case Flipped:
		at := random.IntN(len(raw))
		raw[at] ^= 1 << random.IntN(8)
	case Torn:
		raw = raw[:random.IntN(len(raw))]
	case Emptied:
		raw = nil
	case Rubbish:
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
	}
	return raw
}
