package main

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/oci/ocitest"
)

// replay sends the requests of a trace again, as many at a time as tagline does, and
// returns how long that took. What is put is what the registry has.
func replay(b testing.TB, host string, trace []ocitest.Request) time.Duration {
	const atOnce = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce, DisableCompression: true}}
	defer client.CloseIdleConnections()
	bodies := map[string][]byte{}
	for _, r := range trace {
		if r.Method == http.MethodPut {
			bodies[r.Path] = send(b, client, http.MethodGet, "http://"+host+r.Path, nil)
		}
	}
	start := time.Now()
	each(len(trace), atOnce, func(i int) {
		r := trace[i]
		send(b, client, r.Method, "http://"+host+r.Path+"?"+r.Query, bodies[r.Path])
	})
	return time.Since(start)
}

// send is one request with the manifest types that clients ask for.
func send(b testing.TB, client *http.Client, method, url string, body []byte) []byte {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	const index, manifest = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
	req.Header.Set("Accept", index+", "+manifest)
	if method == http.MethodPut {
		req.Header.Set("Content-Type", index)
	}
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return answer
}

// each does n things, some at a time.
func each(n, atOnce int, do func(i int)) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range work {
				do(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}
