package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// answer answers in the server's place, as an API server words it.
func (x *exchange) answer() {
	if x.do.RetryAfter > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(x.do.RetryAfter))
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(x.do.Status)
	_, _ = x.w.Write(statusBody(x.do.Status, x.call)) // a daemon that is gone needs no answer
}

// reasons are the API server's words for the codes that rules give.
func reasons() map[int]string {
	return map[int]string{
		401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid",
		429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
	}
}

func statusBody(code int, c Call) []byte {
	body, err := json.Marshal(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "code": code,
		"reason": reasons()[code], "message": fmt.Sprintf("the fault proxy says so of %s", c),
		"details": map[string]any{"name": c.Name, "group": c.Group, "kind": c.Resource},
	})
	if err != nil {
		return nil // strings and numbers always marshal
	}
	return body
}

// page answers as a proxy of a company does whose server is being repaired.
func (x *exchange) page() {
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write([]byte("<!doctype html><html><title>Maintenance</title><body><h1>Back soon</h1></body></html>"))
}

// spoil changes the body of an answer as the action says.
func (x *exchange) spoil(body []byte) []byte {
	if x.do.Kind != EmptyList && x.do.Kind != LosePages {
		return body
	}
	var list map[string]any
	if json.Unmarshal(body, &list) != nil {
		return body
	}
	if _, ok := list["items"]; !ok {
		return body
	}
	if x.do.Kind == EmptyList {
		list["items"] = []any{}
	}
	if meta, ok := list["metadata"].(map[string]any); ok {
		delete(meta, "continue")
		delete(meta, "remainingItemCount")
	}
	out, err := json.Marshal(list)
	if err != nil {
		return body // it was JSON a moment ago
	}
	return out
}
