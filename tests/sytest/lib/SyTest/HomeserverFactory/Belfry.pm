# SyTest's way to start Belfry: one process per server, with a database of its own in the cluster of
# tools/with-postgres, TLS on loopback, and a certificate of the suite's own authority.
use strict;
use warnings;

package SyTest::Homeserver::Belfry;
use base qw( SyTest::Homeserver );

use Cwd qw( getcwd );
use File::Copy qw( copy );
use File::Path qw( make_path remove_tree );
use SyTest::SSL qw( ensure_ssl_key create_ssl_cert );

sub _init
{
   my $self = shift;
   my ( $args ) = @_;

   $self->{binary} = delete $args->{binary};
   $self->SUPER::_init( $args );
   $self->{port} = main::alloc_port( "belfry[$self->{hs_index}]" );
}

sub federation_host { return $_[0]->{bind_host} }
sub federation_port { return $_[0]->{port} }
sub server_name { return "$_[0]->{bind_host}:$_[0]->{port}" }
sub public_baseurl { return "https://$_[0]->{bind_host}:$_[0]->{port}" }

# Makes an empty database; returns its address.
sub _make_database
{
   my $self = shift;

   my $url = $ENV{BELFRY_TEST_DATABASE_URL} or die "run this by tools/with-postgres\n";
   my $name = "sytest_$$\_$self->{hs_index}";
   system( "psql", "-q", $url, "-c", "CREATE DATABASE $name" ) == 0 or die "CREATE DATABASE $name failed\n";
   return $url =~ s{/postgres\?}{/$name?}r;
}

sub _settings
{
   my $self = shift;

   my $address = "$self->{bind_host}:$self->{port}" =~ s/^localhost:/127.0.0.1:/r;
   my $mail = $self->{smtp_server_config};
   return (
      "server_name=" . $self->server_name,
      "public_base_url=" . $self->public_baseurl,
      "listen.client=",
      "listen.federation=$address",
      "tls.certificate=$self->{hs_dir}/tls.crt",
      "tls.key=$self->{hs_dir}/tls.key",
      "federation.ca_file=" . getcwd . "/keys/ca.crt",
      "network.allow_addresses=127.0.0.0/8,::1",
      "database.url=" . $self->_make_database,
      "rooms.default_version=10",    # the newest that SyTest's own federation server speaks
      "registration.mode=open",
      "registration.guests=true",
      "registration.shared_secret=reg_secret",
      "rate_limits.enabled=false",
      "password.memory=64KiB",
      "password.iterations=1",
      "media.unauthenticated=all",
      "devices.names_for_servers=true",
      "push.mentions_in_text=true",
      "room_directory.needs_login=false",
      "room_directory.for_servers=true",
      "profiles.for_servers=true",
      "appservices.folder=$self->{hs_dir}/appservices",
      $ENV{SYTEST_ID_PORT} ? "identity_server=https://$self->{bind_host}:$ENV{SYTEST_ID_PORT}" : (),
      $mail ? (
         "mail.smtp_url=smtp://$mail->{host}:$mail->{port}",
         "mail.from=Belfry <belfry\@localhost>",
         "mail.allow_cleartext=true",
      ) : (),
   );
}

sub start
{
   my $self = shift;

   my $dir = $self->{hs_dir};
   remove_tree( "$dir/data", "$dir/appservices" );
   make_path( "$dir/appservices" );
   copy( $_, "$dir/appservices" ) or die "$_: $!\n" for @{ $self->{app_service_config_files} // [] };
   ensure_ssl_key( "$dir/tls.key" );
   create_ssl_cert( "$dir/tls.crt", "$dir/tls.key", $self->{bind_host} );
   open( $self->{log}, ">", "$dir/belfry.log" ) or die "$dir/belfry.log: $!\n";
   $self->{log}->autoflush( 1 );

   return $self->_start_process_and_await_connectable(
      command => [ $self->{binary}, "serve", "--data", "$dir/data", map { ( "--set", $_ ) } $self->_settings ],
      connect_host => $self->{bind_host},
      connect_port => $self->{port},
      name => "belfry-$self->{hs_index}",
   )->else( sub { die "belfry does not start (see $dir/belfry.log): $_[0]\n" } );
}

sub _on_output_line
{
   my ( $self, undef, $line ) = @_;

   print { $self->{log} } "$line\n";
}

package SyTest::HomeserverFactory::Belfry;
use base qw( SyTest::HomeserverFactory );

sub _init
{
   my $self = shift;

   $self->{binary} = $ENV{BELFRY_BIN} // "belfry";
   $self->SUPER::_init( @_ );
}

sub implementation_name { return "belfry" }

sub create_server
{
   my $self = shift;

   return SyTest::Homeserver::Belfry->new( @_, binary => $self->{binary} );
}

1;
