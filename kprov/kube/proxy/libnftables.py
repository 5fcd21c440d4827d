"""libnftables in this process: a transaction of the proxy costs a system call, not a program start."""

from __future__ import annotations

import ctypes
import ctypes.util

_OUTPUT_JSON = 1 << 4
_OUTPUT_TERSE = 1 << 11


class NftablesError(Exception):
    """The kernel or libnftables refused a transaction; the text is libnftables' own, nothing was changed."""


class Nftables:
    """One context of libnftables. Not for two threads at once."""

    def __init__(self) -> None:
        """Load the library. Raises NftablesError when the machine lacks it (Debian: libnftables1)."""
        name = ctypes.util.find_library("nftables") or "libnftables.so.1"
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise NftablesError(f"{name} can't be loaded ({error}): install the package libnftables1") from None
        library = self._library
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for function in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
        for function in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
            getattr(library, function).restype = ctypes.c_char_p
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        self._context = library.nft_ctx_new(0)
        if not self._context:
            raise NftablesError("libnftables gives no context: is there memory left, and the right to use netlink?")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        """Carry out commands in nft's language as one transaction: all of them or none.

        Returns what was printed. Raises NftablesError.
        """
        return self._run(commands, 0)

    def listing(self, command: str) -> str:
        """The JSON of a list command, without the elements of sets and maps."""
        return self._run(command, _OUTPUT_JSON | _OUTPUT_TERSE)

    def _run(self, commands: str, flags: int) -> str:
        self._library.nft_ctx_output_set_flags(self._context, flags)
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output = (self._library.nft_ctx_get_output_buffer(self._context) or b"").decode()
        error = (self._library.nft_ctx_get_error_buffer(self._context) or b"").decode()
        if failed:
            raise NftablesError(error.strip() or "libnftables gives no reason")
        return output

    def close(self) -> None:
        """Free the context."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None
