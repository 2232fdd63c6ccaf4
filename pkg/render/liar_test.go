package render_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/render"
)

// victim is the unit a liar lies about.
const victim = "dev/one/stock"

// A liar is a real worker that does what is asked of it, but for one unit, of
// which it says something else or dies.
func maybeLiar() {
	if kind, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "liar-"); ok && len(os.Args) == 2 && os.Args[1] == protocol.WorkerArg {
		os.Exit(liar(kind))
	}
}

func liar(kind string) int {
	toWorker, questions := io.Pipe()
	answers, fromWorker := io.Pipe()
	go worker.Main(toWorker, fromWorker)
	in, forward, back := bufio.NewReader(os.Stdin), bufio.NewWriter(questions), bufio.NewReader(answers)
	out := bufio.NewWriter(os.Stdout)
	for {
		var q protocol.Question
		if _, err := protocol.Read(in, &q); err != nil {
			return 0
		}
		if protocol.Write(forward, q, nil) != nil {
			return 9
		}
		var a protocol.Answer
		data, err := protocol.Read(back, &a)
		if err != nil {
			return 9
		}
		if q.Unit != nil && bytes.Contains(q.Unit.Input, []byte(`"unit":"`+victim+`"`)) {
			lies()[kind](a, data)
			continue
		}
		if protocol.Write(out, a, data) != nil {
			return 9
		}
	}
}

// say writes an answer as it is, however wrong.
func say(a protocol.Answer, data string) { os.Stdout.Write(frame(a, data)) }

func frame(a protocol.Answer, data string) []byte {
	body, _ := json.Marshal(a)
	return raw(uint32(len(body)+len(data)), uint32(len(body)), string(body)+data)
}

func raw(size, head uint32, rest string) []byte {
	b := binary.BigEndian.AppendUint32(nil, size)
	return append(binary.BigEndian.AppendUint32(b, head), rest...)
}

func die(s syscall.Signal) {
	_ = syscall.Kill(os.Getpid(), s)
	time.Sleep(time.Hour)
}

// cut writes the first part of a frame.
func cut(a protocol.Answer, data []byte, part func(size int) int) {
	f := frame(a, string(data))
	os.Stdout.Write(f[:part(len(f))])
}

// edit changes the output's objects and says that.
func edit(a protocol.Answer, data []byte, change func(objects []any) any) {
	var o map[string]any
	_ = json.Unmarshal(data, &o)
	o["objects"] = change(o["objects"].([]any))
	text, _ := json.Marshal(o)
	say(a, string(text))
}

// first changes the first object.
func first(a protocol.Answer, data []byte, change func(o map[string]any)) {
	edit(a, data, func(objects []any) any {
		change(objects[0].(map[string]any))
		return objects
	})
}

// lies are the kinds of failed, partial and empty renders, by name.
func lies() map[string]func(a protocol.Answer, data []byte) {
	half := func(n int) int { return n / 2 }
	fixed := func(n int) func(int) int { return func(int) int { return n } }
	butOne := func(n int) int { return n - 1 }
	text := func(s string) func(protocol.Answer, []byte) {
		return func(a protocol.Answer, _ []byte) { say(a, s) }
	}
	return map[string]func(a protocol.Answer, data []byte){
		// It dies: before, in the middle of and after what it writes.
		"exit-0":           func(protocol.Answer, []byte) { os.Exit(0) },
		"exit-1":           func(protocol.Answer, []byte) { os.Exit(1) },
		"exit-complaining": func(protocol.Answer, []byte) { fmt.Fprint(os.Stderr, "fatal error: nonsense"); os.Exit(2) },
		"killed":           func(protocol.Answer, []byte) { die(syscall.SIGKILL) },
		"terminated":       func(protocol.Answer, []byte) { die(syscall.SIGTERM) },
		"aborted":          func(protocol.Answer, []byte) { die(syscall.SIGABRT) },
		"killed-in-length": func(a protocol.Answer, d []byte) { cut(a, d, fixed(3)); die(syscall.SIGKILL) },
		"killed-in-head":   func(a protocol.Answer, d []byte) { cut(a, d, fixed(20)); die(syscall.SIGKILL) },
		"killed-in-half":   func(a protocol.Answer, d []byte) { cut(a, d, half); die(syscall.SIGKILL) },
		"killed-at-end":    func(a protocol.Answer, d []byte) { cut(a, d, butOne); die(syscall.SIGKILL) },
		"exit-0-in-half":   func(a protocol.Answer, d []byte) { cut(a, d, half); os.Exit(0) },
		"closed-in-half":   func(a protocol.Answer, d []byte) { cut(a, d, half); os.Stdout.Close(); time.Sleep(time.Hour) },
		// The frame is wrong.
		"huge-length":   func(protocol.Answer, []byte) { os.Stdout.Write(raw(1<<32-1, 2, "{}")); os.Exit(0) },
		"large-length":  func(protocol.Answer, []byte) { os.Stdout.Write(raw(60<<20, 2, "{}")); os.Exit(0) },
		"head-too-long": func(protocol.Answer, []byte) { os.Stdout.Write(raw(2, 9, "{}")) },
		"no-length":     func(protocol.Answer, []byte) { os.Stdout.Write(raw(0, 0, "")) },
		"no-json":       func(protocol.Answer, []byte) { os.Stdout.Write(raw(4, 4, "what")) },
		"a-list":        func(protocol.Answer, []byte) { os.Stdout.Write(raw(2, 2, "[]")) },
		"null":          func(protocol.Answer, []byte) { os.Stdout.Write(raw(4, 4, "null")) },
		"other-question": func(a protocol.Answer, d []byte) {
			a.ID--
			say(a, string(d))
		},
		"no-question": func(a protocol.Answer, d []byte) {
			a.ID = 0
			say(a, string(d))
		},
		"twice": func(a protocol.Answer, d []byte) { os.Stdout.Write(bytes.Repeat(frame(a, string(d)), 2)) },
		"more":  func(a protocol.Answer, d []byte) { os.Stdout.Write(append(frame(a, string(d)), "more"...)) },
		// The output is wrong.
		"nothing":        text(""),
		"output-null":    text("null"),
		"output-a-list":  text("[]"),
		"output-a-text":  text(`"objects"`),
		"no-objects":     text("{}"),
		"objects-null":   text(`{"objects":null}`),
		"objects-group":  text(`{"objects":{"a":{}}}`),
		"object-null":    text(`{"objects":[null]}`),
		"object-a-list":  text(`{"objects":[[]]}`),
		"object-a-text":  text(`{"objects":["Deployment"]}`),
		"object-empty":   text(`{"objects":[{}]}`),
		"half-an-output": func(a protocol.Answer, d []byte) { say(a, string(d[:len(d)/2])) },
		"output-twice":   func(a protocol.Answer, d []byte) { say(a, string(d)+string(d)) },
		"unknown-field":  text(`{"objects":[],"also":1}`),
		"claims-a-text":  text(`{"objects":[],"claims":"host"}`),
		"faults-and-output": func(a protocol.Answer, d []byte) {
			a.Faults = []protocol.Fault{{Message: "no"}}
			say(a, string(d))
		},
		"silent-fault": func(a protocol.Answer, _ []byte) {
			a.Faults = []protocol.Fault{{}}
			say(a, "")
		},
		"many-faults": func(a protocol.Answer, _ []byte) {
			a.Faults = make([]protocol.Fault, 5000)
			say(a, "")
		},
		"long-fault": func(a protocol.Answer, _ []byte) {
			a.Faults = []protocol.Fault{{Message: strings.Repeat("x", 1<<20)}}
			say(a, "")
		},
		"without-kind":    func(a protocol.Answer, d []byte) { first(a, d, func(o map[string]any) { delete(o, "kind") }) },
		"without-version": func(a protocol.Answer, d []byte) { first(a, d, func(o map[string]any) { o["apiVersion"] = nil }) },
		"without-name": func(a protocol.Answer, d []byte) {
			first(a, d, func(o map[string]any) { o["metadata"] = map[string]any{} })
		},
		"elsewhere": func(a protocol.Answer, d []byte) {
			first(a, d, func(o map[string]any) { o["metadata"].(map[string]any)["namespace"] = "kube-system" })
		},
		"same-twice": func(a protocol.Answer, d []byte) {
			edit(a, d, func(objects []any) any { return append(objects, objects[0]) })
		},
		"too-many": func(a protocol.Answer, d []byte) {
			edit(a, d, func(objects []any) any {
				for len(objects) <= protocol.MaxObjects {
					objects = append(objects, objects[0])
				}
				return objects
			})
		},
		"too-large": func(a protocol.Answer, d []byte) {
			first(a, d, func(o map[string]any) { o["data"] = strings.Repeat("x", protocol.MaxObject) })
		},
	}
}

// TestNoRenderIsLess: whatever becomes of a worker over a unit, the unit is held
// and stays declared, its neighbours are as they would be, an honest worker then
// renders it at the same revision, and what is asked for again is an error and
// never fewer objects.
func TestNoRenderIsLess(t *testing.T) {
	honest, c, base := small(t)
	first, good, bin := honest.head, honest.eval.Pool, t.TempDir()
	next := c.with(func(s *service) { s.Port = 8082 }, "beta/stock").write(base)
	honest.advance(next)
	want := honest.digests()
	for kind := range lies() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, store: honest.store, eval: shared.evaluator(t), head: first, es: eval.NewState(), st: render.NewState()}
			w.step(w.es, w.st)
			bad := eval.NewPool(link(t, bin, "liar-"+kind), 1)
			defer bad.Close()
			bad.SetPlatform(platformOf(next))
			w.eval.Pool, w.head = bad, honest.head
			_, delta := w.step(w.es, w.st)
			if len(delta.Removed) > 0 {
				t.Errorf("units went: %v", delta.Removed)
			}
			for key, digest := range w.digests() {
				if key != victim && digest != want[key] {
					t.Errorf("%s is not as it would be", key)
				}
			}
			if u := w.unit(victim); !u.Held() || !u.Digest.IsZero() {
				t.Fatalf("it is not held: %d objects", u.Objects)
			}
			t.Log(w.unit(victim).Diags[0].Message)
			w.eval.Pool = good
			if w.st.Unsettled() {
				w.step(w.es, w.st)
				if got := w.unit(victim); got.Digest != want[victim] {
					t.Errorf("an honest worker renders it to %s, want %s: %v", got.Digest, want[victim], got.Diags)
				}
			} else if !definite(kind) {
				t.Error("it is not tried again")
			}
			again := &render.Renderer{Evaluator: &eval.Evaluator{Pool: bad, Engine: "test"}}
			if b, err := again.Bundle(context.Background(), honest.st, honest.es, honest.unit(victim)); err == nil {
				t.Errorf("rendered again it has %d objects of %d, and no error", len(b.Objects), honest.unit(victim).Objects)
			}
		})
	}
}

// definite are lies that cannot be told from a platform that renders nonsense;
// they are said of the path and wait for another revision.
func definite(kind string) bool {
	switch kind {
	case "object-empty", "without-kind", "without-version", "without-name", "elsewhere", "same-twice":
		return true
	}
	return false
}

func platformOf(base files) map[string]string {
	out := map[string]string{}
	for name, text := range base {
		if !strings.HasPrefix(name, "cue.mod/") && !strings.HasPrefix(name, "platform/clusters/") {
			out[name] = text
		}
	}
	return out
}

// link gives this binary another name.
func link(t *testing.T, dir, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}
