// Package lab tests the lab: a real Kubernetes control plane without
// containers, built by build.sh from cmd/fairway-lab. It is a module of its
// own, because Kubernetes itself is a dependency no user of Fairway should
// have to download.
package lab
