//! The C library of aecodec; `include/aecodec.h` is its header, and `docs/c.md` describes it. This file is the border: it
//! turns pointers into slices and results into numbers, and lets no panic through.
#![allow(unsafe_code)] // Only here: a C border is made of pointers.

mod work;

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice;

pub use work::{DecodeOptions, EncodeOptions, Info, Status};
use work::{Failure, argument};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// A picture whose planes belong to the caller (to encode) or to this library (after a decode).
#[derive(Debug)]
#[repr(C)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples of a pixel, 1 or 3.
    pub channels: u8,
    /// EXIF orientation; 0 stands for 1.
    pub orientation: u8,
    /// `[height, width, channels]`.
    pub samples: *mut u8,
    /// `[height, width]`, or null.
    pub alpha: *mut u8,
}

/// Takes rows.
pub type Rows = Option<unsafe extern "C" fn(*mut c_void, *const u8, u32) -> c_int>;

/// Runs a call, remembers its error, and turns panics into an error.
fn call(run: impl FnOnce() -> Result<(), Failure>) -> c_int {
    let result = catch_unwind(AssertUnwindSafe(run));
    let result = result.unwrap_or_else(|_| Err(Failure(Status::Internal, "the library has panicked".into())));
    let (status, text) = match result {
        Ok(()) => (Status::Ok, String::new()),
        Err(Failure(status, text)) => (status, text),
    };
    LAST_ERROR.with(|last| *last.borrow_mut() = CString::new(text.replace('\0', " ")).unwrap_or_default());
    status as c_int
}

/// # Safety
/// If `data` is not null, it points to `length` bytes that nobody changes during `'a`.
unsafe fn bytes<'a>(data: *const u8, length: usize) -> Result<&'a [u8], Failure> {
    if data.is_null() || length > isize::MAX as usize {
        return Err(argument("the data are a null pointer, or longer than memory"));
    }
    // SAFETY: the pointer is not null, the length was checked, and the caller promises the rest.
    Ok(unsafe { slice::from_raw_parts(data, length) })
}

/// # Safety
/// If `value` is not null, it points to a valid `T` that nobody changes during `'a`.
unsafe fn given<'a, T>(value: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller promises it.
    unsafe { value.as_ref() }.ok_or_else(|| argument(&format!("{name} is a null pointer")))
}

/// The version, ending with a zero.
#[unsafe(no_mangle)]
pub extern "C" fn aecodec_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The last error of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn aecodec_last_error() -> *const c_char {
    LAST_ERROR.with(|last| last.borrow().as_ptr())
}

/// Reads a header.
///
/// # Safety
/// `data` points to `length` bytes, and `info` to memory for an [`Info`]. Either may be null, which is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_read_info(data: *const u8, length: usize, info: *mut Info) -> c_int {
    call(|| {
        if info.is_null() {
            return Err(argument("info is a null pointer"));
        }
        // SAFETY: the caller promises it.
        let found = work::info(unsafe { bytes(data, length) }?)?;
        // SAFETY: it is not null, and the caller promises that it has room.
        unsafe { info.write(found) };
        Ok(())
    })
}

/// Decodes row by row.
///
/// # Safety
/// `data` points to `length` bytes, and `options` to valid options or is null. `rows` may be called with `user` and rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_decode_rows(
    data: *const u8,
    length: usize,
    options: *const DecodeOptions,
    rows: Rows,
    user: *mut c_void,
) -> c_int {
    call(|| {
        let rows = rows.ok_or_else(|| argument("rows is a null pointer"))?;
        // SAFETY: the caller promises both.
        let (data, options) = unsafe { (bytes(data, length)?, options.as_ref()) };
        work::decode_rows(data, options.copied().unwrap_or_default(), |samples, count| {
            // SAFETY: the caller promises that it may be called so; the rows live until it returns.
            unsafe { rows(user, samples.as_ptr(), count) }
        })
    })
}

/// Decodes a picture.
///
/// # Safety
/// `data` points to `length` bytes, `options` to valid options or is null, and `picture` to memory for a [`Picture`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_decode(
    data: *const u8,
    length: usize,
    options: *const DecodeOptions,
    picture: *mut Picture,
) -> c_int {
    call(|| {
        if picture.is_null() {
            return Err(argument("picture is a null pointer"));
        }
        // SAFETY: it is not null, and the caller promises that it has room.
        unsafe { picture.write(NO_PICTURE) };
        // SAFETY: the caller promises both.
        let (data, options) = unsafe { (bytes(data, length)?, options.as_ref()) };
        let (found, damage) = work::decode(data, options.copied().unwrap_or_default())?;
        let made = Picture {
            width: found.width,
            height: found.height,
            channels: found.color.channels() as u8,
            orientation: found.orientation,
            samples: given_away(found.samples),
            alpha: found.alpha.map_or(ptr::null_mut(), given_away),
        };
        // SAFETY: as above.
        unsafe { picture.write(made) };
        damage.map_or(Ok(()), Err)
    })
}

/// Encodes a picture.
///
/// # Safety
/// `picture` points to a picture whose planes have the length that its fields say, `options` to valid options, and `data`
/// and `length` to memory for their values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_encode(
    picture: *const Picture,
    options: *const EncodeOptions,
    data: *mut *mut u8,
    length: *mut usize,
) -> c_int {
    call(|| {
        if data.is_null() || length.is_null() {
            return Err(argument("data or length is a null pointer"));
        }
        // SAFETY: the caller promises both.
        let (picture, options) = unsafe { (given(picture, "picture")?, given(options, "options")?) };
        let (pixels, color) = work::shape(picture.width, picture.height, picture.channels)?;
        // SAFETY: the caller promises that the planes have these lengths.
        let samples = unsafe { bytes(picture.samples, pixels * color.channels()) }?.to_vec();
        let alpha = match picture.alpha.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(unsafe { bytes(picture.alpha, pixels) }?.to_vec()),
        };
        let size = (picture.width, picture.height);
        let stream = work::encode(size, color, (samples, alpha), picture.orientation, options)?;
        // SAFETY: they are not null, and the caller promises that they have room.
        unsafe {
            length.write(stream.len());
            data.write(given_away(stream));
        }
        Ok(())
    })
}

/// Releases a decoded picture.
///
/// # Safety
/// `picture` is null, or was filled by [`aecodec_decode`] and not changed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_free_picture(picture: *mut Picture) {
    if picture.is_null() {
        return;
    }
    // SAFETY: it is not null, and the caller promises that it is valid.
    let Picture { width, height, channels, samples, alpha, .. } = unsafe { picture.replace(NO_PICTURE) };
    let pixels = width as usize * height as usize;
    // SAFETY: `aecodec_decode` made them with these lengths.
    unsafe {
        taken_back(samples, pixels * usize::from(channels));
        taken_back(alpha, pixels);
    }
}

/// Releases an encoded stream.
///
/// # Safety
/// `data` and `length` come from [`aecodec_encode`], or `data` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aecodec_free_stream(data: *mut u8, length: usize) {
    // SAFETY: the caller promises it.
    unsafe { taken_back(data, length) };
}

const NO_PICTURE: Picture = Picture {
    width: 0,
    height: 0,
    channels: 0,
    orientation: 0,
    samples: ptr::null_mut(),
    alpha: ptr::null_mut(),
};

fn given_away(bytes: Vec<u8>) -> *mut u8 {
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

/// # Safety
/// `data` is null or comes from [`given_away`] for this many bytes.
unsafe fn taken_back(data: *mut u8, length: usize) {
    if !data.is_null() {
        // SAFETY: the caller promises it.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, length)) });
    }
}
