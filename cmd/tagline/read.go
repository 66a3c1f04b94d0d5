package main

import (
	"io"
	"os"
	"sync"

	"tagline/config"
)

// readOnce returns a function that reads standard input and pipes, each once: a
// command may load its files several times.
func readOnce() func(name string) ([]byte, error) {
	var read sync.Map // name -> func() ([]byte, error)
	return func(name string) ([]byte, error) {
		data, _ := read.LoadOrStore(name, sync.OnceValues(func() ([]byte, error) {
			if name == config.Stdin {
				return io.ReadAll(io.LimitReader(os.Stdin, config.MaxBytes+1))
			}
			return readFile(name, config.MaxBytes)
		}))
		return data.(func() ([]byte, error))()
	}
}

// readFile reads a file up to one byte above a limit, since the file may be an
// endless device or pipe.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
