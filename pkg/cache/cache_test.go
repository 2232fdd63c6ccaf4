package cache_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cache"
)

func open(t *testing.T, path string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestReopenFindsWhatWasPut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	c := open(t, path)
	for _, s := range []string{"a", "b", ""} {
		if err := c.Put(cache.KeyOf("k", s), []byte("value "+s)); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := c.Get(cache.KeyOf("k", "a")); !ok || string(got) != "value a" {
		t.Fatalf("before the flush: got %q, %v", got, ok)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	for _, s := range []string{"a", "b", ""} {
		if got, ok := again.Get(cache.KeyOf("k", s)); !ok || string(got) != "value "+s {
			t.Errorf("after reopening: key %q gave %q, %v", s, got, ok)
		}
	}
}

func TestKeyPartsDoNotRunTogether(t *testing.T) {
	if cache.KeyOf("ab", "c") == cache.KeyOf("a", "bc") {
		t.Error("two lists of parts share a key")
	}
}

// A cache file may be cut, damaged or somebody else's at any time: what is
// lost is computed again, and nothing wrong is ever handed out.
func TestDamage(t *testing.T) {
	want := map[string][]byte{"one": bytes.Repeat([]byte("1"), 100), "two": bytes.Repeat([]byte("2"), 100)}
	write := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "cache")
		c := open(t, path)
		for _, k := range []string{"one", "two"} {
			if err := c.Put(cache.KeyOf(k), want[k]); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		return path
	}
	whole, err := os.ReadFile(write(t))
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for name, damaged := range map[string][]byte{"cut": whole[:at], "flip": flip(whole, at)} {
			path := filepath.Join(t.TempDir(), "cache")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := cache.Open(path)
			if err != nil {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			for k, v := range want {
				if got, ok := c.Get(cache.KeyOf(k)); ok && !bytes.Equal(got, v) {
					t.Errorf("%s at %d: key %s gave wrong bytes", name, at, k)
				}
			}
			if err := c.Put(cache.KeyOf("three"), []byte("3")); err != nil {
				t.Errorf("%s at %d: put: %v", name, at, err)
			}
			c.Close()
		}
	}
}

func flip(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 0x40
	return out
}

// Two processes share the developer's cache: neither destroys what the other wrote.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	a, b := open(t, path), open(t, path)
	for _, w := range []struct {
		c *cache.Cache
		k string
	}{{a, "a1"}, {b, "b1"}, {a, "a2"}, {b, "b2"}} {
		if err := w.c.Put(cache.KeyOf(w.k), []byte(w.k)); err != nil {
			t.Fatal(err)
		}
		if err := w.c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, path)
	for _, k := range []string{"a1", "a2", "b1", "b2"} {
		if got, ok := c.Get(cache.KeyOf(k)); !ok || string(got) != k {
			t.Errorf("%s: got %q, %v", k, got, ok)
		}
	}
}

// A cache that somebody without the secret wrote is as good as empty, and can
// be written.
func TestSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	key := cache.KeyOf("k")
	for i, secret := range []string{"ours", "theirs", ""} {
		c, err := cache.OpenSealed(path, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(key); ok {
			t.Errorf("with the secret %q: got %q, which was written with another", secret, got)
		}
		value := []byte{byte('a' + i)}
		if err := c.Put(key, value); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err = cache.OpenSealed(path, []byte(secret)); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(key); !ok || !bytes.Equal(got, value) {
			t.Errorf("with the secret %q: got %q, %v, want %q", secret, got, ok, value)
		}
		c.Close()
	}
}
