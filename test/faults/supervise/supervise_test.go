package supervise_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/faults/supervise"
)

// daemon is a script in the daemon's place. It gets the daemon's flags as they are.
func daemon(t *testing.T, script string) (*supervise.Daemon, string) {
	t.Helper()
	dir := t.TempDir()
	binary, data := filepath.Join(dir, "daemon"), filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, []byte("#!/bin/sh\ndata="+data+"\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := supervise.New(supervise.Options{Binary: binary, Data: data, Poll: time.Hour})
	t.Cleanup(d.Kill)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d, data
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestBroken(t *testing.T) {
	ended, _ := daemon(t, "echo trouble; exit 3")
	until(t, "it ended", func() bool { return !ended.Running() })
	if got := ended.Broken(); !strings.Contains(got, "exit status 3") || !strings.Contains(got, "trouble") {
		t.Errorf("of one that ended by itself: %q", got)
	}
	ended.Forgive()
	if got := ended.Broken(); got != "" {
		t.Errorf("forgiven, and still %q", got)
	}
	panicked, _ := daemon(t, "echo 'panic: runtime error' >&2; exec sleep 60")
	until(t, "it panicked", func() bool { return panicked.Broken() != "" })
	panicked.Forgive()
	if panicked.Broken() == "" {
		t.Error("a panic was forgiven")
	}
	killed, _ := daemon(t, "exec sleep 60")
	killed.Kill()
	if got := killed.Broken(); got != "" || killed.Running() || killed.Starts() != 1 {
		t.Errorf("of one that was killed: %q, running %t, %d starts", got, killed.Running(), killed.Starts())
	}
}

func TestFreeze(t *testing.T) {
	d, data := daemon(t, `i=0; while true; do i=$((i+1)); echo $i > $data/count; sleep 0.01; done`)
	count := func() string { raw, _ := os.ReadFile(filepath.Join(data, "count")); return string(raw) }
	until(t, "it counts", func() bool { return count() != "" })
	d.Freeze()
	time.Sleep(50 * time.Millisecond)
	before := count()
	time.Sleep(100 * time.Millisecond)
	if now := count(); now != before {
		t.Errorf("frozen, it counted from %q to %q", before, now)
	}
	d.Thaw()
	until(t, "it counts again", func() bool { return count() != before })
}

func TestHurt(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 100)
	for _, damage := range supervise.Damages() {
		t.Run(string(damage), func(t *testing.T) {
			d, data := daemon(t, "exec sleep 60")
			file := filepath.Join(data, "deep", "file")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, content, 0o400); err != nil {
				t.Fatal(err)
			}
			if err := d.Hurt(damage, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if bytes.Equal(got, content) || (err != nil) != (damage == supervise.Lost) {
				t.Errorf("the file has %d bytes as before, %v", len(got), err)
			}
		})
	}
}

// A process that runs, and one that is started, can write nothing while there is no room.
func TestFill(t *testing.T) {
	d, data := daemon(t, `trap '' XFSZ; while true; do echo more >> $data/file; sleep 0.01; done`)
	size := func() int64 {
		info, err := os.Stat(filepath.Join(data, "file"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	until(t, "it writes", func() bool { return size() > 0 })
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	before := size()
	time.Sleep(100 * time.Millisecond)
	d.Kill()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if now := size(); now != before {
		t.Errorf("without room it wrote %d bytes", now-before)
	}
	d.Kill()
	d.Clear()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "it writes again", func() bool { return size() > before })
}
