#!/bin/sh
# Prints the Python to make the environment with: the first python3 on the PATH, or another one that
# is at least a fifth faster. Builds of the same version differ by half, by how they were compiled.
set -eu

# Prints what a Python takes for a short piece of work, in microseconds, the best of five times; far
# more where it cannot make environments. Fails where it is no version that this project runs on.
measure() {
	"$1" - 2>/dev/null <<-'END'
		import sys
		from importlib.util import find_spec
		from time import perf_counter

		if not (3, 11) <= sys.version_info < (3, 15):
		    sys.exit(1)

		class Item:
		    def __init__(self, number):
		        self.number = number

		    def plus(self, other, more=1):
		        return self.number + other + more

		def work():
		    return sum(len({"key": Item(n).plus(n, more=2), "text": str(n)}) for n in range(5000))

		def timed():
		    begun = perf_counter()
		    work()
		    return perf_counter() - begun

		usable = find_spec("venv") and find_spec("ensurepip")
		print(int(min(timed() for _ in range(5)) * (1e6 if usable else 1e9)))
	END
}

chosen=
fewest=
IFS=:
for name in python3 python3.14 python3.13 python3.12 python3.11; do
	for folder in $PATH /usr/local/bin /usr/bin; do
		[ -x "$folder/$name" ] && took=$(measure "$folder/$name") || continue
		if [ -z "$chosen" ] || [ $((took * 5)) -lt $((fewest * 4)) ]; then
			chosen=$folder/$name
			fewest=$took
		fi
	done
done
echo "$chosen"
