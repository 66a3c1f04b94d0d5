package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
)

// shard is one of count parts of images.yaml, counted from 0. The zero shard is
// all of it.
type shard struct{ index, count int }

func (s shard) String() string { return fmt.Sprintf("%d/%d", s.index, s.count) }

func shardFlag(c *cobra.Command, text *string) {
	c.Flags().StringVar(text, "shard", "",
		"only part `I/N` of the repositories, counted from 0/N; N alone takes I from JOB_COMPLETION_INDEX")
}

// parseShard reads "I/N", or "N" with I from the environment, where Kubernetes
// puts the index of a pod of an Indexed Job.
func parseShard(text string) (shard, error) {
	first, second, both := strings.Cut(text, "/")
	if !both {
		first, second = os.Getenv("JOB_COMPLETION_INDEX"), first
	}
	index, err := strconv.Atoi(first)
	count, err2 := strconv.Atoi(second)
	switch {
	case err2 != nil || both && err != nil:
		return shard{}, fmt.Errorf("--shard: expected I/N, two whole numbers such as 0/4 for the first of four parts, found %q", text)
	case count < 1:
		return shard{}, fmt.Errorf("--shard %q: there are no %d parts; the first of four is 0/4", text, count)
	case !both && first == "":
		return shard{}, fmt.Errorf("--shard is %q and JOB_COMPLETION_INDEX is not set; say which part, as in 0/%d", text, count)
	case !both && err != nil:
		return shard{}, fmt.Errorf("--shard %q takes the part from JOB_COMPLETION_INDEX, which is %q and not a whole number", text, first)
	case !both && (index < 0 || index >= count):
		return shard{}, fmt.Errorf("--shard %q takes the part from JOB_COMPLETION_INDEX, which is %d and not one of 0 to %d", text, index, count-1)
	case index < 0 || index >= count:
		return shard{}, fmt.Errorf("--shard %q: part %d is not one of 0 to %d", text, index, count-1)
	}
	return shard{index, count}, nil
}

// has reports whether a repository is of this part. That depends on its name and
// on the number of parts, on nothing else, and never changes: the first eight bytes
// of the SHA-256 of "host/path", modulo count.
func (s shard) has(repository config.Repository) bool {
	if s.count == 0 {
		return true
	}
	sum := sha256.Sum256([]byte(repository.String()))
	return binary.BigEndian.Uint64(sum[:])%uint64(s.count) == uint64(s.index)
}
