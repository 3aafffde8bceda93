"""The image: what goes into it, how it is built and pushed, and as what it stands in the plan.

dockerignore, dockerfile    what Docker's two files say
inputs                      every file that a build can see, and the hash that decides "unchanged"
engine, docker, login       the seam to a container engine; docker and podman behind it; how they log in
manifest                    the image's manifest in the repository, and the record of inputs that it carries
kind                        the image as a kind of resource
scan                        what the repository's scanner found
source                      from the `image:` of deploy.yaml to the spec
"""
