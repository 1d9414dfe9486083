"""Shows a directory as a file system of another system does.

usage: other_disk.py KIND DIRECTORY MOUNT_POINT

KIND is one of
  apfs   names that differ only by case or Unicode normalization are one name;
         a name is kept as it was written
  hfs    the same, and names are stored decomposed (NFD)
  exfat  case is ignored; no symlinks, hard links, modes or owners; names with
         characters that Windows does not allow are refused
  lossy  the extended attribute `user.lost` can be set, but is not stored

It needs the package mfusepy and libfuse.
"""

import errno
import os
import sys
import unicodedata

from mfusepy import FUSE, FuseOSError, Operations

KIND = sys.argv[1]
NOT_ALLOWED = set('"*:<>?\\|') | {chr(code) for code in range(32)}


def key(name):
    """Returns what all spellings of one name have in common."""
    if KIND == "lossy":
        return name
    if KIND == "exfat":
        return name.upper()
    decomposed = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFD", decomposed.casefold())


def stored(name):
    """Returns the spelling under which a new name is stored."""
    return unicodedata.normalize("NFD", name) if KIND == "hfs" else name


class OtherDisk(Operations):
    use_ns = True

    def __init__(self, root):
        self.root = os.path.realpath(root)

    def find(self, path):
        """Returns the real path of what a path names, in any spelling."""
        at = self.root
        for name in filter(None, path.split("/")):
            found = os.path.join(at, name)
            if not os.path.lexists(found):
                try:
                    names = os.listdir(at)
                except OSError:
                    names = []
                same = [other for other in names if key(other) == key(name)]
                found = os.path.join(at, same[0] if same else stored(name))
            at = found
        return at

    def make(self, path):
        """Returns the real path of something that is to be made."""
        if KIND == "exfat" and NOT_ALLOWED & set(os.path.basename(path)):
            raise FuseOSError(errno.EINVAL)
        return self.find(path)

    def getattr(self, path, fh=None):
        stat = os.lstat(self.find(path))
        fields = (
            "st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino",
            "st_rdev",
        )
        found = {field: getattr(stat, field) for field in fields}
        if KIND == "exfat":
            found["st_mode"] = found["st_mode"] & ~0o7777 | 0o755
            found["st_uid"] = found["st_gid"] = 0
        for time in ("st_atime", "st_mtime", "st_ctime"):
            found[time] = getattr(stat, time + "_ns")
        return found

    def readdir(self, path, fh):
        found = self.find(path)
        for name in [".", ".."] + os.listdir(found):
            stat = os.lstat(os.path.join(found, name))
            # An entry without a number is not listed.
            yield name, {"st_ino": stat.st_ino, "st_mode": stat.st_mode}, 0

    def access(self, path, mode):
        return 0

    def chmod(self, path, mode):
        if KIND == "exfat":
            raise FuseOSError(errno.EPERM)
        return os.chmod(self.find(path), mode)

    def chown(self, path, uid, gid):
        if KIND == "exfat":
            raise FuseOSError(errno.EPERM)
        return os.lchown(self.find(path), uid, gid)

    def mkdir(self, path, mode):
        return os.mkdir(self.make(path), mode)

    def mknod(self, path, mode, device):
        if KIND == "exfat":
            raise FuseOSError(errno.EPERM)
        return os.mknod(self.make(path), mode, device)

    def rmdir(self, path):
        return os.rmdir(self.find(path))

    def unlink(self, path):
        return os.unlink(self.find(path))

    def readlink(self, path):
        return os.readlink(self.find(path))

    def symlink(self, path, target):
        if KIND == "exfat":
            raise FuseOSError(errno.ENOSYS)
        return os.symlink(target, self.make(path))

    def link(self, path, existing):
        if KIND == "exfat":
            raise FuseOSError(errno.ENOSYS)
        return os.link(self.find(existing), self.make(path))

    def rename(self, old, new):
        source, target = self.find(old), self.make(new)
        # A rename that changes only the spelling is carried out.
        if source == target:
            name = stored(os.path.basename(new))
            target = os.path.join(os.path.dirname(target), name)
        return os.rename(source, target)

    def open(self, path, flags):
        return os.open(self.find(path), flags)

    def create(self, path, mode, fi=None):
        return os.open(self.make(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        return os.truncate(self.find(path), length)

    def setxattr(self, path, name, value, options, position=0):
        if KIND != "lossy":
            raise FuseOSError(errno.ENOTSUP)
        if name != "user.lost":
            os.setxattr(self.find(path), name, value, follow_symlinks=False)
        return 0

    def getxattr(self, path, name, position=0):
        if KIND != "lossy":
            raise FuseOSError(errno.ENOTSUP)
        return os.getxattr(self.find(path), name, follow_symlinks=False)

    def listxattr(self, path):
        if KIND != "lossy":
            return []
        return os.listxattr(self.find(path), follow_symlinks=False)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        return os.fsync(fh)

    def fsyncdir(self, path, datasync, fh):
        return 0

    def release(self, path, fh):
        return os.close(fh)

    def utimens(self, path, times=None):
        found = self.find(path)
        return os.utime(found, ns=times, follow_symlinks=False)

    def statfs(self, path):
        found = os.statvfs(self.root)
        fields = (
            "f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail",
            "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax",
        )
        return {field: getattr(found, field) for field in fields}


FUSE(
    OtherDisk(sys.argv[2]),
    sys.argv[3],
    foreground=True,
    nothreads=True,
    use_ino=True,
    allow_other=True,
    default_permissions=True,
    attr_timeout=0,
    entry_timeout=0,
    negative_timeout=0,
)
