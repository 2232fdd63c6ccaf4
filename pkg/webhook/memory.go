package webhook

import (
	"crypto/sha256"
	"net/http"
	"sync"
)

// maxSeen is how many deliveries of each forge are remembered.
const maxSeen = 4096

// memory holds the deliveries that were taken last. The oldest goes first.
type memory struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
	order [][sha256.Size]byte
	next  int
}

// add remembers a delivery and reports whether it is new. The same id with
// another body is another delivery: GitLab gives one to events of which one
// brought about the other.
func (m *memory) add(id string, body []byte) bool {
	of := sha256.Sum256(body)
	key := sha256.Sum256(append(of[:], id...))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[key] {
		return false
	}
	if m.known == nil {
		m.known = map[[sha256.Size]byte]bool{}
	}
	m.known[key] = true
	if len(m.order) < maxSeen {
		m.order = append(m.order, key)
		return true
	}
	delete(m.known, m.order[m.next])
	m.order[m.next] = key
	m.next = (m.next + 1) % maxSeen
	return true
}

// deliveryOf is what a forge calls a delivery, the same when it sends it again;
// "" where it does not say.
func deliveryOf(forge Forge, h http.Header) string {
	var names []string
	switch forge {
	case GitHub:
		names = []string{"X-Github-Delivery"}
	case GitLab:
		names = []string{"Webhook-Id", "Idempotency-Key", "X-Gitlab-Event-Uuid"}
	case Gitea:
		names = []string{"X-Gitea-Delivery", "X-Forgejo-Delivery"}
	case Standard:
		names = []string{"Webhook-Id"}
	case Generic:
		names = []string{"X-Delivery-Id"}
	}
	for _, name := range names {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	return ""
}
