package main

import (
	"io"
	"sync/atomic"

	"tagline/config"
	"tagline/reconcile"
)

// app is what the commands share: the streams, the values of their flags, and what a
// run has at hand.
type app struct {
	once           func(name string) ([]byte, error) // see [readOnce]
	stdout, stderr io.Writer

	files        []string
	registry     string
	registryFrom string // the flag or the variable
	images       []string
	imagesFrom   string // what names images, if it is not --image
	outputs      []string
	insecure     []string
	concurrency  int
	ecrPushRate  float64
	color        string
	quiet        bool
	verbose      int
	logFormat    string
	deletions    reconcile.Limit
	deep         bool
	shallow      bool // --deep=false, by hand
	cacheDir     string
	trashDir     string
	journalFile  string
	progress     atomic.Pointer[progress]   // of the run that is under way, if one is
	said         map[string]config.Registry // of images.yaml, once it is loaded
}
