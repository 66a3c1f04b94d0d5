package findings

// Findings about images.yaml.
const (
	Syntax              ID = "syntax"
	Encoding            ID = "encoding"
	TooLarge            ID = "too-large"
	TooDeep             ID = "too-deep"
	MultipleDocuments   ID = "multiple-documents"
	YAMLFeature         ID = "yaml-feature"
	EmptyFile           ID = "empty-file"
	WrongType           ID = "wrong-type"
	EmptyValue          ID = "empty-value"
	DuplicateKey        ID = "duplicate-key"
	UnknownField        ID = "unknown-field"
	MissingImages       ID = "missing-images"
	MissingAliases      ID = "missing-aliases"
	MissingRegistry     ID = "missing-registry"
	InvalidRegistry     ID = "invalid-registry"
	InvalidRepository   ID = "invalid-repository"
	InvalidTag          ID = "invalid-tag"
	InvalidSource       ID = "invalid-source"
	InvalidPlatform     ID = "invalid-platform"
	InvalidRange        ID = "invalid-range"
	InvalidValue        ID = "invalid-value"
	DuplicateRepository ID = "duplicate-repository"
	DuplicatePlatform   ID = "duplicate-platform"
	AliasCycle          ID = "alias-cycle"
	AbsentSource        ID = "absent-source"
	UnknownProfile      ID = "unknown-profile"
	ProfileCycle        ID = "profile-cycle"
	DuplicateProfile    ID = "duplicate-profile"
	UnusedProfile       ID = "unused-profile"
	UnusedRegistry      ID = "unused-registry"
	RootOnly            ID = "root-only"
	LockedPolicy        ID = "locked-policy"
	SameName            ID = "same-name"
	LinkOutside         ID = "link-outside"
	MoreProblems        ID = "more-problems"
)

// Findings about a registry's content, or what policies make of it.
const (
	MissingSource      ID = "missing-source"
	BrokenSource       ID = "broken-source"
	ArchivedSource     ID = "archived-source"
	BlockedSource      ID = "blocked-source"
	NoImage            ID = "no-image"
	MissingPlatform    ID = "missing-platform" // of compose files as well
	DroppedPlatform    ID = "dropped-platform"
	PlatformMismatch   ID = "platform-mismatch"
	MisspelledPlatform ID = "misspelled-platform"
	AmbiguousPlatform  ID = "ambiguous-platform"
	NoCandidate        ID = "no-candidate"
	AmbiguousVersion   ID = "ambiguous-version"
	Downgrade          ID = "downgrade"
	UnknownVersion     ID = "unknown-version"
	CalendarVersion    ID = "calendar-version"
	MixedVersions      ID = "mixed-versions"
	DockerOCIChild     ID = "docker-oci-child"
	MissingChild       ID = "missing-child"
	MissingRepository  ID = "missing-repository"
	ImmutableTag       ID = "immutable-tag"
	ArchivedAlias      ID = "archived-alias"
	PinnedSource       ID = "pinned-source"
	ListedImage        ID = "listed-image"
	KeptTag            ID = "kept-tag"
	ExpiringAlias      ID = "expiring-alias"
	SignedTag          ID = "signed-tag"
	UncopiedReferrer   ID = "uncopied-referrer"
	DetachedReferrer   ID = "detached-referrer"
	FormerAlias        ID = "former-alias"
	MaxDeletions       ID = "max-deletions"
	ClockSkew          ID = "clock-skew"
	UnlistedGrace      ID = "unlisted-grace"
	ArchivedManifest   ID = "archived-manifest"
	UndeletedManifest  ID = "undeleted-manifest"
)

// Findings about compose files.
const (
	InvalidCompose   ID = "invalid-compose"
	UnreadableFile   ID = "unreadable-file"
	OutsideWorkspace ID = "outside-workspace"
	RemoteFile       ID = "remote-file"
	TooMuch          ID = "too-much"
	NotAnAlias       ID = "not-an-alias"
	AbsentAlias      ID = "absent-alias"
	UnknownPlatforms ID = "unknown-platforms"
	DigestPin        ID = "digest-pin"
	UnsetVariable    ID = "unset-variable"
	InvalidImage     ID = "invalid-image"
	BuiltImage       ID = "built-image"
	NearMiss         ID = "near-miss"
)

// Outcomes of what a run tried, where a report has them in the place of a finding.
const (
	Failed      ID = "failed"
	Stale       ID = "stale"
	Skipped     ID = "skipped"
	Unsupported ID = "unsupported"
)

// All explains every ID, in the order of the constants.
var All = []Kind{
	{Syntax, File, Error, "The file is not YAML.", "Correct the line that the message names."},
	{Encoding, File, Error, "The file is not UTF-8 text, or has a control character.", "Save it as UTF-8, and remove the character that the message names."},
	{TooLarge, File, Error, "The file is larger than 5 MiB.", "Split it by repository into several files of one folder, and give the folder to `-f`."},
	{TooDeep, File, Error, "Maps and lists are nested more than 100 deep, or profiles use each other in a chain of more than 16.", "images.yaml needs four levels, so look for a line with the wrong indentation. Of profiles, let some take over what those that they use have."},
	{MultipleDocuments, File, Error, "The file has a second YAML document, after `---`.", "Remove the `---`, or put the second document into a file of its own."},
	{YAMLFeature, File, Error, "The file has an anchor, a YAML alias, a merge key or an explicit tag.", "Write the value out where it is used. Put what several images share into a profile."},
	{EmptyFile, File, Error, "The file has nothing but comments.", "Add an image with an alias. `tagline init REPOSITORY` drafts a file."},
	{WrongType, File, Error, "A map, a list or text is where another of them belongs.", "Write what the message expects."},
	{EmptyValue, File, Error, "A value is missing or null.", "Write the value, or remove the key. An alias that should not exist is `absent`."},
	{DuplicateKey, File, Error, "A map has one key twice.", "Remove one of them."},
	{UnknownField, File, Error, "The file has a key that images.yaml does not know.", "Correct the spelling; the message suggests the nearest key."},
	{MissingImages, File, Error, "The file has no images.", "Add an image with an alias. An empty file would look like a wish to delete everything."},
	{MissingAliases, File, Error, "An image has no aliases, and no policy of its own that deletes something.", "Add an alias, use a profile that has one, or remove the image. A repository that is only to be cleaned needs the policy in its own `policies`."},
	{MissingRegistry, File, Error, "An image names no registry, and the file has no default.", "Set `registry:`, or give --registry or TAGLINE_REGISTRY."},
	{InvalidRegistry, File, Error, "A registry is not a host.", "Write `host` or `host:port`, without a scheme or a path."},
	{InvalidRepository, File, Error, "An image is not the name of a repository.", "Write `repository` or `host/repository`, in lower case."},
	{InvalidTag, File, Error, "An alias can't be a tag.", "A tag has at most 128 letters, digits, dots, dashes and underscores."},
	{InvalidSource, File, Error, "A source is not a tag, a digest or a reference.", "Write a tag, `sha256:…`, `repository:tag` or `repository@sha256:…`."},
	{InvalidPlatform, File, Error, "A platform is unknown.", "Write `os/architecture[/variant]`, such as `linux/arm64`. Without an os, it is linux. Write a version of Windows as `windows(10.0.17763)/amd64`."},
	{InvalidRange, File, Either, "The range of a `newest` source can't be read, or as a warning, no version can be in it.", "Write a range such as `10.x` or `>=1.2 <2`."},
	{InvalidValue, File, Error, "A policy, or a key of a `newest` source, has a value that it does not know.", "Choose one of the values that the message names."},
	{DuplicateRepository, File, Error, "One repository is an image twice, perhaps in two spellings.", "Merge the two."},
	{DuplicatePlatform, File, Error, "One platform stands twice, perhaps in two spellings.", "Remove one of them: arm64 and arm64/v8 are one platform, so are arm and arm/v7, and windows/amd64 is every version of it."},
	{AliasCycle, File, Error, "Aliases follow each other in a circle.", "Have one of them name a source that is not an alias."},
	{AbsentSource, File, Error, "An alias follows an alias that should be absent.", "Follow another tag, or keep the other alias."},
	{UnknownProfile, File, Error, "`use` names a profile that does not exist.", "Correct the name, or add the profile. A file sees its own profiles and those of the root file."},
	{ProfileCycle, File, Error, "Profiles use each other in a circle.", "Move what they share into a profile that uses none of them."},
	{DuplicateProfile, File, Error, "A file has a profile of the same name as the root file.", "Give it another name: one name has one meaning in all files."},
	{UnusedProfile, File, Warning, "No image uses a profile.", "Use it, or remove it."},
	{UnusedRegistry, File, Warning, "`registries` has a host that no image and no source is on, or that some have under another name (`localhost:5000` and `127.0.0.1:5000`, the hosts of one Amazon ECR), so what it says has no effect there.", "Correct the name of the host, or remove it. Of several names, write one everywhere, or give each its settings: they are never used for a host that `registries` does not name."},
	{RootOnly, File, Error, "A file of several sets what only the root file may set for all: `registry`, `registries` or `locked`.", "Move it to the root file: the first that `-f` names, or images.yaml in that folder."},
	{LockedPolicy, File, Error, "A file or an image sets a policy that the root file locks, to something laxer.", "Remove it, or set it to the same or to something stricter; see config/trees.md."},
	{SameName, File, Error, "The names of two files differ in case alone, or images.yaml and images.yml are both there, so that it is not clear which file counts.", "Rename or remove one of them."},
	{LinkOutside, File, Error, "A link in a folder of files leads to a folder, or out of the folder that `-f` names.", "Remove the link, and name the folder or the file that it leads to with a `-f` of its own."},
	{MoreProblems, File, Either, "There are more problems, or more warnings, than are told at once.", "Correct those that are told, and check again."},

	{MissingSource, Registry, Error, "A source does not exist. The alias keeps its old content.", "Push the source, or change images.yaml."},
	{BrokenSource, Registry, Error, "A source exists, but something that it lists does not.", "Push the source again."},
	{ArchivedSource, Registry, Error, "A source is archived in Amazon ECR, so it can't be pulled.", "Restore it there, or choose another source."},
	{BlockedSource, Registry, Error, "The alias follows another alias, which is blocked.", "See the finding of the other alias."},
	{NoImage, Registry, Error, "A source has no image, only attestation manifests or nothing.", "Push it again with its images."},
	{MissingPlatform, Registry, Error, "A platform that is required or asked for is missing. In a compose file: the alias does not have the service's platform.", "Build the platform and push it, take it from another source, or no longer require it."},
	{DroppedPlatform, Registry, Warning, "A run takes a platform away from an alias, since its source no longer has it, or since the newest version does not. Machines of that platform can't pull the alias any more.", "If the platform should stay, list it in the policy `platforms`: a `newest` source then keeps it at the newest version that has it, and an alias of another source is left alone until the source has it. If it should go, there is nothing to do."},
	{PlatformMismatch, Registry, Error, "An image is for another platform than images.yaml says.", "Correct the platform in images.yaml, or push the right image."},
	{MisspelledPlatform, Registry, Error, "An image names its platform in a way that not every runtime understands, such as `amd64/v8` or `x86_64`.", "Rebuild the image so that it says what the message names. An alias of its whole source re-uses the bytes as they are."},
	{AmbiguousPlatform, Registry, Error, "A source has two images for one platform that no runtime can tell apart.", "Push it again with one image, or take the source as a whole. The message says how the two differ."},
	{NoCandidate, Registry, Error, "No tag fits a `newest` source: its range, variant, versioning and tags.", "Push such a version, or change the source. The message counts the tags by the rule that passed them over, and says what to write to take some of them."},
	{AmbiguousVersion, Registry, Error, "Two tags are the same version, but have different digests.", "Give both the same content, or list the one that moves as an alias of images.yaml, which `newest` never takes."},
	{Downgrade, Registry, Error, "A `newest` source would choose a lower version than the alias has.", "Bring the higher version back, name a tag, or exclude the higher version from the range, as in `>=2 <3 !=2.3.2`. `downgrade: allow` beside `newest` allows it for one source."},
	{UnknownVersion, Registry, Error, "It is not known which version the alias has, so a `newest` source might downgrade it. The alias is left alone. It has no mark of tagline, and no version tag has its image: the tag that it came from was deleted, or pushed again with another image.", "For one run, name the tag that the alias should have, or write `downgrade: allow` beside `newest`. An index that tagline composes has a mark, so later runs know; an alias with `whole: true` has none, and its version is known by the cache."},
	{CalendarVersion, Registry, Warning, "A tag is a higher version than the one that `newest` takes, but is passed over, since it looks like a calendar version: 26.04 beside 25.10.", "Write `versioning: calendar` beside `newest`, which also takes 25.10. If such tags are not meant, bound the range: `<26`."},
	{MixedVersions, Registry, Error, "The platforms of an alias come from different versions, and `mixed-versions: deny` forbids that.", "Wait for the missing builds, or take all platforms from one version."},
	{DockerOCIChild, Registry, Error, "`format: docker` asks for a Docker list, which can't hold OCI manifests.", "Use `format: oci`, or build the image with Docker media types."},
	{MissingChild, Registry, Either, "An index lists a manifest that does not exist any more, so a pull of it fails.", "Push the source again. What came from another repository is copied again, and a manifest that the cache has is put back."},
	{MissingRepository, Registry, Either, "The repository does not exist.", "Create it, or correct its name."},
	{ImmutableTag, Registry, Error, "The registry does not let this tag move.", "Exclude alias tags from immutability. tagline never changes that setting."},
	{ArchivedAlias, Registry, Error, "The alias names an archived image of Amazon ECR.", "Restore it there, or delete it by hand."},
	{PinnedSource, Registry, Error, "Deleting this tag could delete an image that images.yaml names by its digest.", "Name that source by a tag that stays."},
	{ListedImage, Registry, Either, "A tag is the last one of an image that an index lists. Amazon ECR deletes an image with its last tag, and refuses that for such an image. The tag stays; other deletions go on.", "Give the image another tag, or delete the index first. If this run deletes the index, the next one deletes the tag."},
	{KeptTag, Registry, Error, "GitHub deletes a tag only with its image, so a tag stays if its image has another tag, or if no other image has any. Other deletions go on.", "Delete all tags of the image, or keep this one. The last image goes with the package, by hand."},
	{ExpiringAlias, Registry, Warning, "A lifecycle rule of the registry may delete the alias.", "Leave alias tags out of the rule."},
	{SignedTag, Registry, Warning, "`provenance: purge` concerns a tag that has a signature or another referrer: it leaves the tag alone, or as an alias the tag moves away from what is signed.", "Leave it as it is, or set `signed: purge` to rewrite it all the same, and to delete what refers to it. Without a purge, an alias that moves away from a signed digest is `detached-referrer`."},
	{UncopiedReferrer, Registry, Warning, "A signature, an SBOM or another referrer is not copied with its image from another repository. The alias is pushed all the same. What refers to a source's index is of no use to an alias with an index of its own, so it is not meant here; see `detached-referrer`.", "Do what the message says, then run `tagline apply --deep`: it copies what is missing. Or set `referrers: leave`."},
	{DetachedReferrer, Registry, Either, "An alias moves from a digest that has a signature, an SBOM or another referrer to one that has none of that kind. If its images stay the same, the alias is left alone. It is an error under `signed: guard`, which always leaves the alias alone. Composed aliases have an index of their own, so what refers to the index of a source is not valid for them; what refers to an image still is.", "Have the alias follow one whole tag, with nothing to drop: it has the digest of that tag, and so its signatures. Beside `newest` write `whole: true`. Or sign the new digest. If the alias should move without them, set `signed: purge`; under `guard`, an alias that gets another image needs only `signed: keep`."},
	{FormerAlias, Registry, Warning, "A tag that images.yaml does not list was an alias: its index has tagline's mark for it, or it is still what the journal says that tagline made it. If the mark is for another alias, the tag may have followed that one.", "Set the tag to `absent` to delete it; `prune: true` deletes it if its index was made for that very tag. If it should stay, list it as an alias: `latest: 10`."},
	{MaxDeletions, Registry, Error, "More deletions are due than one run may do.", "Check the plan. If it is right, allow it once with --max-deletions."},
	{ClockSkew, Registry, Error, "The clocks of the registry and of this machine differ by more than five minutes, so ages are not known.", "Set the clock."},
	{UnlistedGrace, Registry, Warning, "`grace` keeps what a run replaces, in a registry that lists no untagged manifests. No later run can find and delete it.", "Leave `grace` out, so that it is deleted at once, or accept that it stays for good."},
	{ArchivedManifest, Registry, Warning, "An archived manifest may refer to anything, so no manifest is deleted.", "Restore it, or delete it by hand."},
	{UndeletedManifest, Registry, Warning, "The registry says that it has deleted a manifest, and still has it some seconds later.", "Some registries delete later, or answer from a cache for a while: look again then. If it stays, see whether a proxy in front of the registry or the registry itself ignores deletions."},

	{InvalidCompose, Loading, Error, "The project is not what the compose specification asks for.", "Correct what the message names; `docker compose config` says the same."},
	{UnreadableFile, Loading, Error, "A file of a project, or of a folder of images.yaml files, does not exist, is not a plain file, or can't be read.", "Correct the path or the permissions."},
	{OutsideWorkspace, Loading, Error, "A file is outside of the workspace.", "Move it into the git work tree, or run the check above it."},
	{RemoteFile, Loading, Error, "`include` or `extends` names a file on the network. Nothing is fetched.", "Check a copy of it in the workspace."},
	{TooMuch, Loading, Error, "The project has more files, variables or values than are read.", "Split the project."},
	{NotAnAlias, Compose, Error, "The image's tag is not an alias of images.yaml.", "Write the alias that the message suggests, or add one."},
	{AbsentAlias, Compose, Error, "The image's tag is an alias that should be absent.", "Write another alias."},
	{UnknownPlatforms, Compose, Warning, "images.yaml does not say which platforms the alias has.", "Set the `platforms` policy, or name the sources by platform."},
	{DigestPin, Compose, Error, "The image is pinned by its digest, which no alias moves.", "Write an alias."},
	{UnsetVariable, Compose, Either, "An image, a platform or a path has a variable without a value. It is a warning if the image may be one of images.yaml, but it is not known which.", "Set it in the environment or in .env, or write a default: `${TAG:-10}`."},
	{InvalidImage, Compose, Either, "The text is not the name of an image. It is a warning if images.yaml has no such image.", "Write `host/repository:tag`."},
	{BuiltImage, Compose, Warning, "The service is built under the name of an image of images.yaml, so a machine may have either under that name.", "Build under another name, or remove the build section."},
	{NearMiss, Compose, Warning, "The image is not one of images.yaml, but its name is nearly that of one.", "Correct the name. If it is another image, there is nothing to do."},

	{Failed, Outcome, Error, "Something could not be read or done: a registry, a file or the network failed, or a push was refused. The exit code is 1.", "Do what the message says, and run again: a run does what is left."},
	{Stale, Outcome, Error, "An action was not done, since its tag is not what the plan saw. The exit code is 1.", "Run it again: the registry has changed since the plan was made."},
	{Skipped, Outcome, Error, "An action was not begun. The exit code is 1.", "It relies on something that failed or is blocked; mend that first."},
	{Unsupported, Outcome, Error, "The registry does not delete, or does not delete a tag alone. No registry has to, so the exit code is 3. A push that is refused is `failed`, even with the same answer, HTTP 405: without pushes there are no aliases.", "Turn deletions on in the registry, or take what asks for them out of images.yaml."},
}

// Explain returns the kind of an ID.
func Explain(id ID) (Kind, bool) {
	for _, k := range All {
		if k.ID == id {
			return k, true
		}
	}
	return Kind{}, false
}
