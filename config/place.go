package config

import (
	"net"
	"net/netip"
	"strings"
)

// Place returns the repository under one name for its host, to compare it with
// others. A registry of Amazon ECR has up to four host names, and so has loopback. Two
// repositories of one place may be the same, so what one must keep the other must
// keep too.
func (r Repository) Place() Repository {
	if h, ok := ParseECRHost(r.Host); ok {
		return Repository{Host: h.Account + "." + h.Region, Path: r.Path}
	}
	name, port := r.Host, ""
	if host, p, err := net.SplitHostPort(r.Host); err == nil {
		name, port = host, p
	}
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	if address = address.Unmap(); err == nil && address.Is4() { // "[::ffff:10.0.0.1]" is 10.0.0.1
		r.Host = strings.TrimSuffix(address.String()+":"+port, ":")
	}
	if name == "localhost" || err == nil && (address == netip.IPv6Loopback() || address == netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
		return Repository{Host: "localhost:" + port, Path: r.Path}
	}
	return r
}

// samePlace reports whether two hosts may be one registry.
func samePlace(a, b string) bool {
	return Repository{Host: a}.Place() == Repository{Host: b}.Place()
}
