// Package sops holds that what sops itself encrypts opens, whatever is in it, and
// that what was changed afterwards does not. It is a module of its own: sops brings
// the clients of every cloud.
package sops
