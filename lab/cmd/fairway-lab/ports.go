package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Everything in the lab listens here and nowhere else.
const loopback = "127.0.0.1"

// A port is a loopback port that stays ours for as long as it is open. The
// supervisor binds it without listening, and the child binds it again beside
// it: both ask for SO_REUSEPORT, which the kernel allows to one user only. So
// nobody can take the port between choosing it and serving on it, nor while
// the child is being restarted.
type port struct {
	number int
	socket int
}

// reservePort binds number, or any free port if number is 0.
func reservePort(number int) (*port, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve port %d: open a socket: %w", number, err)
	}
	p := &port{socket: socket}
	if p.number, err = bindLoopback(socket, number); err != nil {
		return nil, errors.Join(fmt.Errorf("reserve port %d on %s: %w", number, loopback, err), p.close())
	}
	return p, nil
}

// bindLoopback binds socket and returns the port it got.
func bindLoopback(socket, number int) (int, error) {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	bound, err := unix.Getsockname(socket)
	if err != nil {
		return 0, err
	}
	address, ok := bound.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("bound to %T, not to an IPv4 address", bound)
	}
	return address.Port, nil
}

func (p *port) close() error { return unix.Close(p.socket) }
