# Paths and names shared by the scripts in dev/. To be sourced, not run.
# Overridable from the environment: ODOO_HOME, PYTHON, ASTPP_LOCAL, HTTP_PORT.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that the set-up creates is in here; `make clean` removes it.
LOCAL=${ASTPP_LOCAL:-$ROOT/.local}
PYTHON=${PYTHON:-python3}

VENV=$LOCAL/venv
ODOO_ROOT=$LOCAL/odoo
WKHTMLTOPDF=$LOCAL/wkhtmltopdf
MYSQL_ROOT=$LOCAL/mysql
LOGS=$LOCAL/log

DEMO_DB=astpp_demo
TEST_DB=astpp_test
DB_USER=odoo

# Server programs are in sbin, which is not in every user's PATH.
export PATH=$WKHTMLTOPDF/bin:$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Logins of the demo's database: see demo_story.py.
demo_logins() {
    cat <<END
  accountant / accountant   invoicing
  customer / customer       a customer's portal
  reseller / reseller       a reseller's portal
  admin / admin             everything
END
}

# "sudo" when we are not root; empty when we are.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "'$*' needs administrator rights: run it as root, or install sudo"
    fi
}

# The folder that holds the `odoo` package: a checkout, an unpacked Debian
# package, or a site-packages folder.
odoo_base() {
    local home=${ODOO_HOME:-$ODOO_ROOT} base
    for base in "$home/usr/lib/python3/dist-packages" "$home"; do
        if [ -f "$base/odoo/release.py" ]; then
            echo "$base"
            return
        fi
    done
    return 1
}

odoo_addons_path() {
    local base=$1 path=$ROOT
    [ -d "$base/odoo/addons/account" ] && path=$base/odoo/addons,$path
    [ -d "$base/addons/account" ] && path=$base/addons,$path
    [ -n "${EXTRA_ADDONS:-}" ] && path=$path,$EXTRA_ADDONS
    echo "$path"
}
