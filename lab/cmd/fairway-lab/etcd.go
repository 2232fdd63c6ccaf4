package main

import (
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// etcdArgs are the arguments of the etcd child.
func (p *plane) etcdArgs() []string {
	return []string{
		"--data-dir=" + p.dir.path("etcd"),
		"--port=" + strconv.Itoa(p.etcdPort.number),
	}
}

// etcdMain runs one etcd member until it is told to stop.
func etcdMain(args []string) int {
	flags := flag.NewFlagSet(etcdName, flag.ContinueOnError)
	dataDir := flags.String("data-dir", "", "folder of the database")
	port := flags.Int("port", 2379, "loopback port for clients")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := serveEtcd(*dataDir, *port); err != nil {
		fmt.Fprintln(os.Stderr, "fairway-lab etcd:", err)
		return 1
	}
	return 0
}

func serveEtcd(dataDir string, port int) error {
	wal.SegmentSizeBytes = 8 << 20 // etcd allocates two ahead: 128 MiB at its default
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	server, err := embed.StartEtcd(etcdConfig(dataDir, port))
	if err != nil {
		return fmt.Errorf("start etcd on %s: %w", dataDir, err)
	}
	defer server.Close()
	select {
	case <-stop:
		return nil
	case err := <-server.Err():
		return fmt.Errorf("serve etcd on port %d: %w", port, err)
	}
}

// etcdConfig trades durability across a power cut, which no lab needs, for
// writes that do not wait for the disk: killed processes still lose nothing,
// since the kernel holds what they wrote. A single member talks to no peers,
// so it listens for none.
func etcdConfig(dataDir string, port int) *embed.Config {
	client := url.URL{Scheme: "http", Host: net.JoinHostPort(loopback, strconv.Itoa(port))}
	c := embed.NewConfig()
	c.Dir = dataDir
	c.UnsafeNoFsync = true
	c.ListenPeerUrls = nil
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	c.SocketOpts.ReusePort = true // the supervisor holds the port, see reservePort
	c.QuotaBackendBytes = 8 << 30
	c.MaxRequestBytes = 8 << 20
	c.LogLevel = "warn"
	return c
}
