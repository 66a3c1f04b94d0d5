package config

// walk reads one file. After a problem it goes on, to find all of them.
type walk struct {
	reader
	keep     func(Image) bool // Options.Keep
	host     string           // of repositories without one; "" if there is none
	root     *rootFile        // nil until the root file is read
	leads    bool             // this is the root file
	alone    bool             // there is no other file
	warnings found
	places   places

	base        Settings   // policies of the file
	profiles    profiles   // that the file can use
	ownProfiles []*profile // of these, those that it has
	use         []*profile // of images that say nothing else
	useKnown    bool       // whether use could be read
	used        map[*profile]bool
	hosts       map[string]bool // of images and of sources
	bodies      map[string]body // of lists of profiles, by their names
	shared      int             // how many aliases came from profiles
	repeats     repeats
}

// rootFile is what the root file gives to all files. The root file is the first
// one that -f names, or images.yaml in the first folder.
type rootFile struct {
	file       string // its name; "" if no file is the root
	unread     bool   // it could not be read, so what it gives is not known
	host       string // of repositories without one; "" if there is none
	said       string // the host that the file itself names; "" if it names none
	saidAt     Pos
	registries map[string]Registry
	hosts      map[string]Pos // where registries has them
	policies   Settings       // with every default
	locks      map[string]lock
	profiles   profiles
}

// lock is the least that a policy may be set to, except by the root file for all.
type lock struct {
	least Setting
	at    Pos
}

// profile is a named set of policies and aliases that images share.
type profile struct {
	name     string
	pos      Pos
	uses     []*profile
	policies Settings
	aliases  []Alias // of nowhere
	depth    int     // of the profiles that it uses, with itself
}

// profiles are those that a file can use, by name.
type profiles map[string]*profile

// body is what profiles give to an image.
type body struct {
	policies Settings
	all      Settings // those of the file, too
	aliases  []Alias  // of nowhere, in the order of their tags
}

// places are the hosts of [Repository.Place] by the hosts of repositories: many
// repositories have few hosts.
type places map[string]string

// unreadHost stands in for a registry host that is missing or refused, so that
// what depends on it is not reported as well. No registry has it: RFC 2606.
const unreadHost = "registry.invalid"

// nowhere stands for the repository of the image that uses a profile. No
// registry has its host: RFC 2606.
var nowhere = Repository{Host: "profile.invalid"}
