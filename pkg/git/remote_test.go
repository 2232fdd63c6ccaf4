package git_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
)

func TestRefusedURLs(t *testing.T) {
	s, err := git.OpenStore(filepath.Join(t.TempDir(), "s"), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, url := range []string{
		"", "-oProxyCommand=x", "--upload-pack=x", "ext::sh -c id", "fd::17", "file:///tmp/x", "/tmp/x", "./x", "git://host/x",
		"ftp://host/x", "http://user:hunter2@host/x", "https://hunter2@host/x", "ssh://git:hunter2@host/x", "http:///x",
		"https://host/x\nHost: y", "ssh://-oProxyCommand=x/y", "javascript:x", "transport::https://host/x",
	} {
		_, err := s.Fetch(t.Context(), git.Remote{URL: url, Branch: "main"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("fetch of %q: %v", url, err)
		}
	}
	for _, branch := range []string{"", "-x", "a..b", "a b", "x.lock", "refs/../../x", "refs/heads/a\nb", "a~1", "HEAD^"} {
		if _, err := s.Fetch(t.Context(), git.Remote{URL: "http://127.0.0.1:1/x", Branch: branch}); err == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("fetch of branch %q: %v", branch, err)
		}
	}
}

// A password goes to its own host only, and no error repeats it, whatever a server does.
func TestCredentialsStayHome(t *testing.T) {
	const secret = "s3cret/+ token"
	var leaked atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(r.Header), "s3cret"))
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer elsewhere.Close()
	// Another name for the loopback address makes it another host.
	other := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	s := openStore(t, filepath.Join(t.TempDir(), "s"))
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other+r.URL.Path+"?"+r.URL.RawQuery, http.StatusFound)
		},
		"echo": func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			http.Error(w, user+password+r.Header.Get("Authorization"), http.StatusForbidden)
		},
		"echo as list": func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			text := "ERR " + user + password + " " + r.Header.Get("Authorization")
			fmt.Fprintf(w, "%04x%s", len(text)+4, text)
		},
		"redirect to echo": func(w http.ResponseWriter, r *http.Request) {
			_, password, _ := r.BasicAuth()
			http.Redirect(w, r, other+"/"+password+"/info/refs", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := httptest.NewServer(answer)
			defer home.Close()
			r := git.Remote{URL: home.URL + "/x.git", Branch: "main", Credentials: git.Credentials{Username: "bot", Password: secret}}
			_, fetchErr := s.Fetch(t.Context(), r)
			_, pollErr := s.LsRemote(t.Context(), r)
			for _, err := range []error{fetchErr, pollErr} {
				if err == nil {
					t.Fatal("it worked")
				}
				for _, form := range []string{secret, "s3cret", "Ym90OnMzY3JldC8rIHRva2Vu"} {
					if strings.Contains(err.Error(), form) {
						t.Errorf("the error has the password: %v", err)
					}
				}
			}
			if name == "echo" && !errors.Is(fetchErr, git.ErrDenied) {
				t.Errorf("got %v, want ErrDenied", fetchErr)
			}
		})
	}
	if leaked.Load() {
		t.Error("credentials went to another host")
	}
}

func TestEndlessAnswers(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "s"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[bool]int{true: 500, false: 200}[strings.Contains(r.URL.Path, "fail")])
		line := strings.Repeat("0123456789abcdef", 1<<12)
		for r.Context().Err() == nil {
			if _, err := fmt.Fprintf(w, "%04x%s", 65520, line[:65516]); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	for _, name := range []string{"list", "fail"} {
		if _, err := s.Fetch(t.Context(), git.Remote{URL: server.URL + "/" + name, Branch: "main"}); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pemOf is the certificate of a server of this test.
func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
