package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/status"
)

// unitItem is one unit as the API gives it.
type unitItem struct {
	status.Unit
	Conditions []status.Condition `json:"conditions"`
}

func item(u status.Unit) unitItem { return unitItem{u, u.Conditions()} }

// units lists units. Each filter may be given several times, and takes what
// matches any.
func (s *Server) units() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		query := r.URL.Query()
		items := []unitItem{}
		for _, u := range s.o.Daemon.Units() {
			if matches(query, u) {
				items = append(items, item(u))
			}
		}
		source := s.o.Daemon.Source()
		answer(w, http.StatusOK, object{apiVersion, "UnitList", map[string]string{
			"revision": source.Revision, "verdict": source.Verdict, "withheld": source.Withheld, "message": withoutSecrets(source).Message,
			"phases": phases(source), "now": s.o.Now().UTC().Format(time.RFC3339Nano),
		}, items})
	}
}

// phases says in one line which environments sleep, and until when.
func phases(s status.Source) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Phases)) {
		out = append(out, name+" is "+s.Phases[name])
	}
	return strings.Join(out, ", ")
}

func matches(query url.Values, u status.Unit) bool {
	for name, value := range map[string]string{
		"environment": u.Unit.Environment, "cluster": u.Unit.Cluster, "service": u.Unit.Service,
		"team": u.Team, "sync": string(u.Sync),
	} {
		if want := query[name]; len(want) > 0 && !slices.Contains(want, value) {
			return false
		}
	}
	return true
}

func (s *Server) unit() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		key := catalog.UnitKey{Environment: r.PathValue("environment"), Cluster: r.PathValue("cluster"), Service: r.PathValue("service")}
		units := s.o.Daemon.Units()
		i := slices.IndexFunc(units, func(u status.Unit) bool { return u.Unit == key })
		if i < 0 {
			fail(w, http.StatusNotFound, "not-found", "there is no such unit")
			return
		}
		answer(w, http.StatusOK, struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			unitItem
		}{apiVersion, "Unit", item(units[i])})
	}
}

func (s *Server) clusters() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		clusters := s.o.Daemon.Clusters()
		if clusters == nil {
			clusters = []status.Cluster{}
		}
		answer(w, http.StatusOK, object{apiVersion, "ClusterList", nil, clusters})
	}
}

func (s *Server) source() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		answer(w, http.StatusOK, struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			status.Source
		}{apiVersion, "Source", withoutSecrets(s.o.Daemon.Source())})
	}
}

// withoutSecrets takes credentials out of the URL, and out of the message,
// where errors of Git repeat it.
func withoutSecrets(src status.Source) status.Source {
	u, err := url.Parse(src.URL)
	if err != nil || u.User == nil || u.Host == "" {
		return src
	}
	full := u.User.String()
	secret, _ := u.User.Password()
	for _, s := range []string{full, secret} {
		if s != "" {
			src.Message = strings.ReplaceAll(src.Message, s, "(secret)")
		}
	}
	u.User = nil
	src.URL = u.String()
	return src
}
